/** A driver's message may repeat the URL it was given: the password in it goes no further. */
export const redactConnection = (text: string): string => text.replaceAll(/:\/\/[^@\s/]*@/g, '://***@')

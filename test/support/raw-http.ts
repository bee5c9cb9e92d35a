/** Bytes on a socket: for what no HTTP client would send. */
import { connect } from 'node:net'

/** Sends and reads to the end; ask for `Connection: close`. */
export function sendRaw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('utf8').on('data', (text) => {
      answer += text
    })
    socket.on('close', () => resolve(answer)).on('error', reject)
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')))
    socket.write(bytes)
  })
}

/** Status and code of a problem document, or null. */
export function statusAndCode(answer: string): [number, string | null] {
  return [Number(answer.split(' ')[1]), /"code":"([A-Z_]+)"/.exec(answer)?.[1] ?? null]
}

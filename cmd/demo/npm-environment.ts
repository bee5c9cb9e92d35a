/** npm needs its own settings (registry, proxy, certificates) and where it may write; nothing else. */
export function npmEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const passed = Object.entries(environment).flatMap(([name, value]) =>
    value !== undefined &&
    /^(PATH|HOME|LANG|(https?|no)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|npm_config_.*)$/i.test(name)
      ? [[name, value] as const]
      : [],
  )
  return Object.fromEntries(passed)
}

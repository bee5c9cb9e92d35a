/**
 * Started by npm or by another program of ours, a service must not outlive its parent: npm dies on SIGTERM
 * without passing it on, and kill -9 of a parent tells its children nothing.
 */
import process from 'node:process'

const POLL_MS = 500

/**
 * Calls `gone` once when this process gets another parent than it had at the call.
 * @returns a function that ends the watch
 */
export function watchParent(gone: () => void): () => void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    gone()
  }, POLL_MS)
  timer.unref()
  return () => clearInterval(timer)
}

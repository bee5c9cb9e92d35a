/** A copying thread: takes portions of work until it is ended. What goes wrong ends it with the error. */
import { parentPort } from 'node:worker_threads'
import { copyPortion, finishFolders, type MadeFolder, type Portion } from './copy-folders.ts'

export type Job = { readonly copy: Portion } | { readonly finish: readonly MadeFolder[] }

const port = parentPort
if (port === null) throw new Error('this module is the body of a thread')
port.on('message', (job: Job) => {
  if ('copy' in job) {
    port.postMessage(copyPortion(job.copy))
  } else {
    finishFolders(job.finish)
    port.postMessage(null)
  }
})

/** agentctl: the service from a terminal, over its public API. */
import process from 'node:process'
import { complain } from './complain.ts'
import { createProgram } from './program.ts'

// A reader that went away (`| head`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit()
  })
}
const program = createProgram({
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
})
try {
  await program.parseAsync(process.argv)
} catch (error) {
  process.exitCode = complain(error, {
    json: process.argv.includes('--json'),
    write: (text) => process.stderr.write(text),
  })
}

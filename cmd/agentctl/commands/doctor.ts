/** agentctl doctor: what keeps runs from working, and what to do about it. */
import { resolve } from 'node:path'
import process from 'node:process'
import type { Command } from 'commander'
import { type Finding, findingsText, ok } from '../doctor/finding.ts'
import { lookAtContainment, lookAtDataDir, lookAtGit } from '../doctor/machine.ts'
import { lookAtNeighbours } from '../doctor/neighbours.ts'
import { lookAtKeys, lookAtPrograms } from '../doctor/runners.ts'
import { lookAtService } from '../doctor/service.ts'
import { lookAtProject, lookAtSettings } from '../doctor/settings.ts'
import { Failed } from '../exit.ts'
import type { OpenSession, Session } from '../session.ts'
import { wholeNumber } from './options.ts'

const MIB = 1024 * 1024

interface Given {
  project: string
  minFree: number
}

export function addDoctor(program: Command, open: OpenSession): void {
  program
    .command('doctor')
    .description('look for what keeps runs from working, and say what to do')
    .option('--project <folder>', 'the project you want worked on', '.')
    .option('--min-free <mib>', 'MiB of disk that must be free', wholeNumber(0, 1_000_000_000), 1024)
    .action(async (given: Given) => {
      const session = open()
      const findings = await examine(session, given)
      const isWell = findings.every(({ state }) => state !== 'fail')
      session.terminal.answer({ ok: isWell, findings }, () => findingsText(findings, session.terminal.paint))
      if (!isWell) throw new Failed('')
    })
}

/** A service that is up speaks for itself; one that is down is looked at from outside, with this shell's settings. */
async function examine({ env, url }: Session, { project, minFree }: Given): Promise<Finding[]> {
  const { config, findings: settings } = lookAtSettings(env)
  const service = await lookAtService(url)
  const outside = service.isUp
    ? []
    : [
        ...(config === null ? [] : await lookAtNeighbours(config)),
        await lookAtContainment(),
        ...(await lookAtPrograms(env, config)),
      ]
  return [
    ok('node', `${process.version} runs agentctl`),
    ...settings,
    ...service.findings,
    ...outside,
    lookAtKeys(env, config),
    await lookAtGit(env['PATH'] ?? ''),
    ...(config === null ? [] : lookAtDataDir(config.dataDir, minFree * MIB)),
    await lookAtProject(resolve(project), config),
  ]
}

/** Where a repository's objects lie. */
import type { Repository } from './repository.ts'

/** Its own folder and the ones it borrows from, absolute. */
export async function objectFolders(repository: Repository): Promise<string[]> {
  const own = await repository.git(['rev-parse', '--path-format=absolute', '--git-path', 'objects'])
  // The one command that follows alternates to their end; each stands on a line of its own.
  const counted = await repository.git(['count-objects', '-v'])
  const borrowed = counted.stdout
    .toString()
    .split('\n')
    .flatMap((line) => (line.startsWith('alternate: /') ? [line.slice('alternate: '.length)] : []))
  return [own.stdout.toString().replace(/\n$/, ''), ...borrowed]
}

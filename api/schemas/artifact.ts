/** Artifacts on the wire. */
import { z } from 'zod'
import { ARTIFACT_TYPES, type Artifact } from '../../internal/artifact/artifact.ts'
import { time, timeOut } from './common.ts'

export const artifactParams = z.strictObject({
  id: z.string().max(200).meta({ description: 'As a list of artifacts gave it.' }),
})

export const contentHeaders = z.looseObject({
  range: z.string().max(200).optional().meta({ description: 'bytes=first-last, one range.' }),
  'if-range': z.string().max(200).optional().meta({ description: 'Give the range only of this ETag.' }),
  'if-none-match': z.string().max(1000).optional().meta({ description: 'A 304 where the ETag is this one.' }),
})

const artifactOut = z
  .strictObject({
    id: z.string().meta({ description: 'Stable; its form may change for new artifacts.' }),
    type: z.enum(ARTIFACT_TYPES),
    name: z.string(),
    size: z.int().meta({ description: 'In bytes.' }),
    content_type: z.string(),
    sha256: z.string().meta({ description: 'Of the bytes, in hex.' }),
    created_at: timeOut('When it came to be.'),
  })
  .meta({ id: 'Artifact', description: 'Something a run left.' })

export const artifactsAnswer = z.strictObject({ artifacts: z.array(artifactOut) })

/** Bytes as they are. */
export const contentAnswer = (description: string) => ({
  description,
  content: { '*/*': { schema: z.any() } },
})

export const artifactView = (artifact: Artifact): z.output<typeof artifactOut> => ({
  id: artifact.id,
  type: artifact.type,
  name: artifact.name,
  size: artifact.size,
  content_type: artifact.contentType,
  sha256: artifact.sha256,
  created_at: time(artifact.createdAt),
})

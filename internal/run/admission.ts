/**
 * What is checked before a run exists; everything later fails the run instead of the request. One list of rules:
 * creating a run is refused by the first that is broken, a dry run tells of all.
 */
import { AppError, type ErrorCode, type FieldFault } from '../errors.ts'
import type { AdmissionDeps, AdmissionRequest, Rule } from './admission-rule.ts'
import { PLACE_RULES } from './place-rules.ts'
import { RUNNER_RULES } from './runner-rules.ts'

export type { AdmissionDeps, AdmissionRequest } from './admission-rule.ts'

export interface AdmissionCheck {
  /** snake_case, stable. */
  readonly name: string
  readonly ok: boolean
  /** Why a run would be refused; null where it would not. */
  readonly code: ErrorCode | null
  readonly detail: string
  /** What to do about it; null where nothing needs to be done. */
  readonly fix: string | null
  readonly faults: readonly FieldFault[]
}

/** In the order in which they count: of several broken rules the first is the one that a create answers with. */
const RULES: readonly Rule[] = [...PLACE_RULES, ...RUNNER_RULES]

/** Every rule that concerns the request, looked at side by side. @throws only what no rule foresees */
export async function admissionChecks(
  request: AdmissionRequest,
  deps: AdmissionDeps,
): Promise<AdmissionCheck[]> {
  const rules = RULES.filter(({ applies }) => applies?.(request, deps) ?? true)
  return Promise.all(rules.map(({ name, fix, look }) => checked(name, fix, () => look(request, deps))))
}

/** A look that throws AppError is a broken rule. */
export async function checked(
  name: string,
  fix: string,
  look: () => string | Promise<string>,
): Promise<AdmissionCheck> {
  try {
    return { name, ok: true, code: null, detail: await look(), fix: null, faults: [] }
  } catch (error) {
    if (error instanceof AppError)
      return { name, ok: false, code: error.code, detail: error.message, fix, faults: error.faults }
    throw error
  }
}

/** @throws the first broken one as the error it is */
export function refuseBroken(checks: readonly AdmissionCheck[]): void {
  const broken = checks.find((check) => check.code !== null)
  if (!broken?.code) return
  throw new AppError(broken.code, broken.detail, { faults: broken.faults })
}

/** @throws the first thing that is in the way; nothing was created */
export async function admit(request: AdmissionRequest, deps: AdmissionDeps): Promise<void> {
  refuseBroken(await admissionChecks(request, deps))
}

/** Named, versioned settings of runs. An update makes a new immutable version; a run pins the one it got. */
import type { McpServer, PermissionMode, RunnerType } from '../runner/port.ts'

/** What a profile may say. Absent members inherit: profile -> lever -> default. */
export interface ProfileSettings {
  readonly description?: string
  readonly runnerType?: RunnerType
  readonly model?: string
  readonly maxTurns?: number
  readonly timeoutMs?: number
  readonly idleTimeoutMs?: number
  readonly permissionMode?: PermissionMode
  readonly requiresSandbox?: boolean
  readonly requiresApproval?: boolean
  readonly containment?: 'required' | 'preferred'
  readonly network?: 'allow' | 'deny'
  readonly home?: 'isolated' | 'user'
  readonly env?: readonly string[]
  readonly allowedTools?: readonly string[]
  readonly deniedTools?: readonly string[]
  readonly allowedPaths?: readonly string[]
  readonly deniedPaths?: readonly string[]
  readonly interactionTimeoutMs?: number
  readonly interactionDefault?: 'deny' | 'allow'
  readonly onLost?: 'resume' | 'restart' | 'fail'
  readonly mcpServers?: readonly McpServer[]
  readonly trustProject?: boolean
}

export interface Profile {
  readonly id: string
  readonly profileKey: string
  readonly name: string
  readonly version: number
  readonly settings: ProfileSettings
  readonly createdBy: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly archivedAt: Date | null
  /** Up by one with every change, archiving included. */
  readonly revision: number
}

/** Settings as they were from one update to the next. They never change. */
export interface ProfileVersion {
  readonly profileId: string
  readonly version: number
  readonly settings: ProfileSettings
  readonly createdAt: Date
}

/** What a profile shall be from now on. A name or key that is not given stays. */
export interface ProfileUpdate {
  readonly profileKey: string | null
  readonly name: string | null
  readonly settings: ProfileSettings
}

export interface ProfileFilter {
  readonly runnerType: RunnerType | null
  /** Live ones, archived ones, or both. */
  readonly archived: 'no' | 'only' | 'also'
}

/** A profile as a caller asks for it; name and key default to each other. */
export interface NewProfile {
  readonly profileKey: string
  readonly name: string
  readonly createdBy: string | null
  readonly settings: ProfileSettings
}

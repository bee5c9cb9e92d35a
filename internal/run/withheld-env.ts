/** Names that never reach an agent, whatever a profile lists: our own settings, and what changes how programs load. */
const WITHHELD = /^(DATABASE_|POSTGRES_|PG|AGENT_MANAGER_|WORKSPACE_SANDBOX_|NODE_OPTIONS$|LD_|GIT_|npm_)/

export const isWithheld = (name: string): boolean => WITHHELD.test(name)

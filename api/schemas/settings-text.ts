/** What each setting means, in the words of the documentation. */
export const SETTINGS_TEXT = {
  runner_type: 'Which agent program runs.',
  model: 'The model, as the runner calls it.',
  max_turns: 'Model calls of one turn, at most 1000.',
  timeout: 'Wall clock of one turn.',
  idle_timeout: 'Longest silence of the agent.',
  allowed_tools:
    'Tools by our names (read, write, edit, shell, search, glob, list, web_fetch, web_search, task, mcp:<server>[:<tool>]) or as the runner calls them. Not empty: only these exist, and they need no asking.',
  denied_tools: 'Tools the agent must not use, named as in allowed_tools; a denial wins.',
  allowed_paths:
    'Globs, relative to the project root, of what the agent may write to, for example src/**. Empty: everything.',
  denied_paths: 'Globs, relative to the project root, of what it must not write to; a denial wins.',
  permission_mode: 'What the agent may do without asking: ask, auto, read_only or bypass.',
  skip_permission_prompt: 'The same as permission_mode bypass.',
  interaction_timeout: 'How long a question to a person waits.',
  interaction_default: 'What a permission request counts as when nobody answers in time: deny or allow.',
  on_lost:
    'What becomes of a turn that was cut: resume (its session goes on), restart (it is told again from the start) or fail.',
  requires_sandbox: 'Whether the agent works in a sandbox instead of the project itself.',
  requires_approval: 'Whether changes wait for a decision.',
  containment: 'Whether the run is refused where the agent cannot be contained: required or preferred.',
  network: 'Whether the agent reaches the network: allow or deny.',
  home: "The home folder the agent sees: isolated (the run's own) or user.",
  env: 'Names of environment variables of the service that are passed to the agent.',
  mcp_servers: 'MCP servers whose tools the agent may use, besides its own.',
  trust_project: 'Whether hooks, MCP servers and agent settings that lie in the project may run.',
} as const

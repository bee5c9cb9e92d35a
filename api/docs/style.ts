/** The page's look; in the page itself, so that it loads nothing. */
import { createHash } from 'node:crypto'

export const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #2563ab; }
@media (prefers-color-scheme: dark) { :root { --accent: #7fb2f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem 1.5rem 4rem; font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin-bottom: 0; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
a { color: var(--accent); }
code, .path { font-family: ui-monospace, monospace; font-size: .92em; overflow-wrap: anywhere; }
nav ul { columns: 16rem; padding-left: 1rem; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: 0 .8rem; }
details details { border: 0; border-left: 2px solid var(--line); border-radius: 0; margin-left: .2rem; }
details:target { border-color: var(--accent); }
summary { cursor: pointer; padding: .45rem 0; }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700; color: var(--accent); }
.deprecated { text-decoration: line-through; }
.soft { opacity: .75; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-top: 1px solid var(--line); }
th { background: var(--soft); font-weight: 600; }
td:first-child { width: 30%; }
td p, summary p { margin: 0; }
`

const digest = createHash('sha256').update(STYLE).digest('base64')

/** Nothing but this style: no script, no request, no frame, no form. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

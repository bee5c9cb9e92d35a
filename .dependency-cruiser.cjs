// The import rules of docs/architecture.md, "Rooms". test/unit/architecture.test.ts proves that the
// cruiser really saw the code: with TypeScript 7 it reports success over 0 modules.
const rule = (name, from, to, comment) => ({ name, severity: 'error', comment, from, to })

module.exports = {
  forbidden: [
    rule('no-circular', {}, { circular: true }, 'a cycle has no reading order'),
    rule(
      'nobody-imports-cmd',
      { pathNot: '^(cmd|test)/' },
      { path: '^cmd/' },
      'cmd is wiring, not a library',
    ),
    rule(
      'cmds-are-islands',
      { path: '^cmd/([^/]+)/' },
      { path: '^cmd/', pathNot: '^cmd/$1/' },
      'programs meet over their interfaces',
    ),
    rule(
      'nobody-imports-test',
      { pathNot: '^test/' },
      { path: '^test/' },
      'product code never needs a test helper',
    ),
    rule(
      'examples-stand-alone',
      { path: '^examples/' },
      { path: '^(cmd|internal|adapters|test|api/(?!client/))' },
      'what a client may use is the API, or the library for it',
    ),
    rule(
      'internal-is-inner',
      { path: '^internal/' },
      { path: '^(api|adapters)/' },
      'the product knows ports, not what implements them',
    ),
    rule(
      'adapters-stay-out',
      { path: '^adapters/' },
      { path: '^api/|^internal/(engine|db|profile|task)/|-(store|service)[.]ts$' },
      'an adapter speaks to one foreign thing',
    ),
    rule(
      'adapters-are-islands',
      { path: '^adapters/(?!runners/)([^/]+)/' },
      { path: '^adapters/', pathNot: '^adapters/$1/' },
      'one folder, one foreign thing',
    ),
    rule(
      'runners-are-islands',
      { path: '^adapters/runners/([^/]+)/' },
      { path: '^adapters/', pathNot: '^adapters/runners/$1/' },
      'one folder, one foreign thing',
    ),
    rule(
      'api-translates',
      { path: '^api/' },
      { path: '^adapters/|^internal/(engine|db)/|-store[.]ts$' },
      'HTTP in, use case out: no SQL, no processes',
    ),
    rule(
      'the-client-stands-alone',
      { path: '^api/client/' },
      { pathNot: '^api/client/', dependencyTypesNot: ['type-only'] },
      'it runs in browsers: of the service it knows the types, and of the platform what all of them have',
    ),
    rule(
      'examples-are-clients',
      { path: '^examples/' },
      { path: '^(api|internal|adapters|cmd)/', pathNot: '^api/client/index[.]ts$' },
      'what they need everybody can have',
    ),
    rule(
      'pure-core',
      { path: '^internal/(run|event|task|profile|approval)/(run|event|task|profile|approval|scope)[.]ts$' },
      { path: '^node:|node_modules/(pg|kysely|fastify)/|-(store|service)[.]ts$' },
      'decisions are functions of their arguments',
    ),
    rule(
      'the-stand-in-is-no-part-of-the-product',
      { path: '^cmd/workspace-sandbox/' },
      { path: '^(internal|adapters|api)/', pathNot: '^internal/(exclusive-lock|log|parent-watch)[.]ts$' },
      'it plays a foreign service: it shares three helpers and no meaning',
    ),
    rule(
      'no-dev-dependency',
      { path: '^(cmd|internal|adapters|api)/' },
      { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'type-only'] },
      'it would be missing in production',
    ),
    rule('not-unresolvable', {}, { couldNotResolve: true }, 'a name that leads nowhere'),
    rule(
      'no-orphans',
      { orphan: true, pathNot: '^(test|examples)/|[.]config[.]ts$|[.]d[.]ts$|^cmd/[^/]+/main[.]ts$' },
      {},
      'nothing reaches it',
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(node_modules|fixtures)/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}

import * as effectPlugin from "@effect/eslint-plugin"
import tseslint from "typescript-eslint"

// Folders of src that each folder may import from, besides itself: dependencies point one way.
const reach = {
  domain: [],
  replication: ["domain"],
  access: ["domain"],
  transfer: ["domain"],
  config: ["domain", "access"],
  telemetry: ["domain", "config"],
  store: ["domain", "access", "replication", "config", "telemetry"],
  federation: ["domain", "access", "replication", "store", "config", "telemetry"],
  embedding: ["domain", "config", "telemetry"],
  operations: [
    "domain",
    "access",
    "transfer",
    "replication",
    "store",
    "federation",
    "embedding",
    "config",
    "telemetry"
  ],
  http: ["domain", "access", "transfer", "federation", "operations", "config", "telemetry"],
  mcp: ["domain", "access", "operations", "http", "config", "telemetry"],
  console: ["http"],
  cli: [
    "domain",
    "access",
    "transfer",
    "replication",
    "store",
    "federation",
    "embedding",
    "operations",
    "http",
    "config",
    "telemetry"
  ]
}
// No ambient time and no chance in these: they run under a test clock and a seed.
const core = ["domain", "replication", "store", "federation", "embedding", "operations"]

const schemaPackage = { group: ["@effect/schema", "@effect/schema/*"], message: "Use Schema from effect." }
// `up` leads from a file to src: out of its folder, or out of a folder in that.
const outside = (folder, up) => ({
  regex: `^${up}(?!(?:${reach[folder].join("|")})/)${folder === "cli" ? "(?!MemoryNode\\.js$)" : ""}`,
  message: `src/${folder} may import only from ${reach[folder].join(", ") || "effect and itself"}.`
})
const onlyEffect = {
  regex: "^(?!effect$|effect/|@orama/(?:stemmers|stopwords)/|\\.)",
  message: "src/domain may import only effect, and the words of languages: no services, no I/O."
}
const chance = [
  {
    group: ["crypto", "node:crypto"],
    importNamePattern: "^random|^getRandom|^webcrypto$|^default$",
    message: "Chance comes from a service: Uuid, Random."
  },
  {
    group: ["timers", "timers/*", "node:timers", "node:timers/*", "perf_hooks", "node:perf_hooks"],
    message: "Use Clock."
  }
]

const imports = (...patterns) => ["error", { patterns: [schemaPackage, ...patterns] }]
const syntax = (selector, message) => ({ selector, message })
// A package that one command or one page needs is loaded by it alone: no other start pays for it.
const dynamicImport = syntax(
  "ImportExpression:not([source.value='@peculiar/x509'], [source.value='./docs.js'], [source.value='@effect/sql-pg/PgClient'], [source.value='pg'])",
  "Imports stand at the top, where their direction is checked."
)

const clockGlobals = ["setTimeout", "setInterval", "performance", "crypto"]
const ambientTime = [
  dynamicImport,
  syntax("MemberExpression[object.name='Date'][property.name='now']", "Use Effect's Clock."),
  syntax("NewExpression[callee.name='Date'][arguments.length=0]", "Use Effect's Clock."),
  syntax("CallExpression[callee.name='Date']", "Use Effect's Clock."),
  syntax("MemberExpression[object.name='Math'][property.name='random']", "Use Effect's Random."),
  syntax("MemberExpression[property.name='randomUUID']", "Use the Uuid service."),
  syntax("MemberExpression[object.name='process'][property.name='hrtime']", "Use Effect's Clock."),
  syntax(
    `MemberExpression[object.name='globalThis'][property.name=/^(${
      [...clockGlobals, "Date", "setImmediate"].join("|")
    })$/]`,
    "No ambient time or chance here."
  )
]
const ambientGlobals = (...names) => [
  "error",
  ...names.map((name) => ({ name, message: "No ambient time or chance here: use Effect's Clock, Random and sleep." }))
]

const testName = "/^(it|test|describe|suite)$/"
const notRun = "[property.name=/^(only|skip|skipIf|runIf|todo|fails)$/]"
const everyTest = "Every test runs, or is not there."

const depths = [["*.ts", "\\.\\./"], ["*/**/*.ts", "\\.\\./\\.\\./"]]
const folderRules = Object.keys(reach).flatMap((folder) =>
  depths.map(([files, up]) => ({
    files: [`src/${folder}/${files}`],
    rules: {
      "no-restricted-imports": imports(
        outside(folder, up),
        ...(folder === "domain" ? [onlyEffect] : []),
        ...(core.includes(folder) ? chance : [])
      )
    }
  }))
)

// Inside of http: the contract and its client are for programs without a node, and answers go by the contract.
const within = (pattern, message) => ({ regex: pattern, message: `src/http/${message}` })
const neutral = {
  regex: "^(?!effect$|effect/|@effect/platform$|@effect/platform/|\\.)",
  message: "The contract and its client load no package but effect and @effect/platform."
}
const ofReply = within("^\\.\\./calls/Reply\\.js$", "handlers answer by way of answer.ts, which goes by the contract.")
const ofContract = within("^\\.\\./(?!\\.\\./(?:access|domain)/)", "contract may import only from access and domain.")
const ofClient = within(
  "^(?:\\./(?!contract/)|\\.\\./(?!domain/))",
  "Client.ts may import only from contract and domain."
)
const ofCalls = within(
  "^\\.\\./(?!contract/|\\.\\./(?:access|domain|operations)/)",
  "calls may import only from contract, access, domain, operations."
)
const ofHandlers = within(
  "^\\.\\./(?!contract/|calls/|\\.\\./(?:access|domain|transfer|federation|operations|config|telemetry)/)",
  "handlers may import only from contract, calls, access, domain, transfer, federation, operations, config, telemetry."
)
const ofServer = within(
  "^\\.\\./(?!contract/|calls/|handlers/|\\.\\./(?:access|domain|config|telemetry)/)",
  "server may import only from contract, calls, handlers, access, domain, config, telemetry."
)
const httpRules = [
  { files: ["contract/**/*.ts"], patterns: [ofContract, neutral] },
  { files: ["Client.ts"], patterns: [ofClient, neutral] },
  { files: ["calls/**/*.ts"], patterns: [ofCalls] },
  { files: ["handlers/**/*.ts"], patterns: [ofHandlers, ofReply] },
  { files: ["handlers/handlers.ts"], patterns: [ofHandlers] },
  { files: ["server/**/*.ts"], patterns: [ofServer] }
].map(({ files, patterns }) => ({
  files: files.map((file) => `src/http/${file}`),
  rules: { "no-restricted-imports": imports(...patterns) }
}))
// What a browser runs: it has no packages, and nothing of a node.
const ofBrowser = "What a browser runs imports from src/console/browser alone."
const browserRules = [["*.ts", "^(?!\\./)"], ["*/*.ts", "^(?!\\./|\\.\\./[a-zA-Z])"]].map(([files, regex]) => ({
  files: [`src/console/browser/${files}`],
  rules: { "no-restricted-imports": imports({ regex, message: ofBrowser }) }
}))
const untied =
  "A handler is `.handleRaw(...Call.read(endpoint, …))` or `Call.write`: so its answer has the contract's type."

export default tseslint.config(
  { linterOptions: { reportUnusedDisableDirectives: "error", noInlineConfig: true } },
  {
    files: ["**/*.ts", "**/*.mjs"],
    extends: [tseslint.configs.base],
    plugins: { "@effect": effectPlugin },
    rules: {
      "@effect/dprint": ["error", {
        config: {
          indentWidth: 2,
          lineWidth: 120,
          operatorPosition: "maintain",
          semiColons: "asi",
          quoteStyle: "alwaysDouble",
          trailingCommas: "never",
          "arrowFunction.useParentheses": "force"
        }
      }],
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "object-shorthand": "error",
      "no-debugger": "error",
      "no-unused-labels": "error",
      "no-self-compare": "error",
      "no-throw-literal": "error"
    }
  },
  {
    files: ["**/*.ts"],
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/ban-ts-comment": ["error", {
        "ts-ignore": true,
        "ts-nocheck": true,
        "ts-expect-error": "allow-with-description"
      }],
      "@typescript-eslint/consistent-type-imports": ["error", {
        fixStyle: "inline-type-imports",
        disallowTypeAnnotations: false
      }],
      "@typescript-eslint/array-type": ["error", { default: "generic", readonly: "generic" }],
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/no-import-type-side-effects": "error",
      "no-restricted-imports": imports()
    }
  },
  {
    files: ["src/**/*.ts"],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "no-console": "error",
      "no-restricted-syntax": ["error", dynamicImport]
    }
  },
  {
    // What nobody waits for who does not need it: the packages of the protocol, of tables and of notes, and the command that is
    // asked for.
    files: ["src/mcp/Mcp.ts", "src/main.ts", "src/transfer/reading/read.ts"],
    rules: { "no-restricted-syntax": "off" }
  },
  {
    files: ["src/*.ts"],
    ignores: ["src/main.ts"],
    rules: {
      "no-restricted-imports": imports({ regex: "^\\./cli/", message: "Only main.ts imports from src/cli." })
    }
  },
  ...folderRules,
  ...httpRules,
  ...browserRules,
  {
    files: ["src/http/handlers/**/*.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        dynamicImport,
        syntax("CallExpression[callee.property.name='handle']", untied),
        syntax("CallExpression[callee.property.name='handleRaw'][arguments.0.type!='SpreadElement']", untied)
      ]
    }
  },
  {
    files: ["src/federation/quorumFanout.ts"],
    rules: {
      "no-restricted-imports": imports({ regex: "^\\.", message: "quorumFanout imports nothing of ours." }, ...chance)
    }
  },
  {
    files: core.map((folder) => `src/${folder}/**/*.ts`),
    rules: {
      "no-restricted-syntax": ["error", ...ambientTime],
      "no-restricted-globals": ambientGlobals(...clockGlobals, "setImmediate")
    }
  },
  {
    // The committer's turn of the event loop: no timer, and no clock that a test would replace.
    files: ["src/store/log/eventLoopTurn.ts"],
    rules: { "no-restricted-globals": ambientGlobals(...clockGlobals) }
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        syntax(`MemberExpression[object.name=${testName}]${notRun}`, everyTest),
        syntax(`MemberExpression[object.object.name=${testName}]${notRun}`, everyTest),
        syntax("CallExpression[callee.name=/^(fit|xit|xdescribe|fdescribe|xtest)$/]", everyTest)
      ]
    }
  }
)

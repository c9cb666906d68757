import { assert, describe, it } from "@effect/vitest"
import { ESLint } from "eslint"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

/** The project's own rules, but for those that need types: these files do not exist, so they have none. */
const eslint = new ESLint({
  cwd: root,
  overrideConfigFile: `${root}/packaging/eslint.config.mjs`,
  overrideConfig: {
    files: ["**/*.ts"],
    languageOptions: { parserOptions: { projectService: false } },
    rules: {
      "@typescript-eslint/no-floating-promises": "off",
      "@typescript-eslint/no-misused-promises": "off",
      "@typescript-eslint/await-thenable": "off",
      "@typescript-eslint/switch-exhaustiveness-check": "off"
    }
  }
})

const rulesBroken = async (file: string, code: string) => {
  const [result] = await eslint.lintText(code, { filePath: `${root}/${file}` })
  return (result?.messages ?? []).map(({ message, ruleId }) => ruleId ?? message)
}

const imports = (from: string) => `import * as X from "${from}"\nexport const x = X\n`
const boundary = "no-restricted-imports"
const syntax = "no-restricted-syntax"

const refused: ReadonlyArray<readonly [file: string, code: string, rule: string]> = [
  ["src/domain/X.ts", imports("../replication/Operation.js"), boundary],
  ["src/domain/X.ts", imports("@effect/platform/HttpClient"), boundary],
  ["src/domain/X.ts", imports("node:fs"), boundary],
  ["src/domain/X.ts", imports("../config/NodeConfig.js"), boundary],
  ["src/replication/X.ts", imports("../store/OpLog.js"), boundary],
  ["src/store/X.ts", imports("../http/Server.js"), boundary],
  ["src/store/X.ts", imports("../federation/Federation.js"), boundary],
  ["src/federation/X.ts", imports("../operations/remember.js"), boundary],
  ["src/federation/X.ts", imports("../MemoryNode.js"), boundary],
  ["src/federation/quorumFanout.ts", imports("./Peer.js"), boundary],
  ["src/federation/quorumFanout.ts", imports("../domain/Stamp.js"), boundary],
  ["src/operations/X.ts", imports("../http/Server.js"), boundary],
  ["src/operations/X.ts", imports("../cli/serve.js"), boundary],
  ["src/http/X.ts", imports("../store/MemoryStore.js"), boundary],
  ["src/http/X.ts", imports("../cli/serve.js"), boundary],
  ["src/http/contract/X.ts", imports("../../store/MemoryStore.js"), boundary],
  ["src/http/contract/X.ts", imports("../../MemoryNode.js"), boundary],
  ["src/http/contract/X.ts", imports("../../operations/errors.js"), boundary],
  ["src/http/contract/X.ts", imports("../../federation/wire/PeerApi.js"), boundary],
  ["src/http/contract/X.ts", imports("../../replication/Operation.js"), boundary],
  ["src/http/contract/X.ts", imports("../calls/Reply.js"), boundary],
  ["src/http/contract/X.ts", imports("../server/Server.js"), boundary],
  ["src/http/contract/X.ts", imports("node:crypto"), boundary],
  ["src/http/contract/X.ts", imports("@effect/platform-node/NodeHttpClient"), boundary],
  ["src/http/Client.ts", imports("./calls/Reply.js"), boundary],
  ["src/http/Client.ts", imports("../operations/errors.js"), boundary],
  ["src/http/Client.ts", imports("@effect/platform-node/NodeHttpClient"), boundary],
  ["src/http/handlers/X.ts", imports("../../store/MemoryStore.js"), boundary],
  ["src/http/handlers/X.ts", imports("../../replication/Operation.js"), boundary],
  ["src/http/handlers/X.ts", imports("../server/Auth.js"), boundary],
  ["src/http/handlers/X.ts", imports("../calls/Reply.js"), boundary],
  ["src/http/handlers/handlers.ts", imports("../../store/MemoryStore.js"), boundary],
  ["src/http/calls/X.ts", imports("../handlers/memories.js"), boundary],
  ["src/http/calls/X.ts", imports("../../federation/Federation.js"), boundary],
  ["src/http/server/X.ts", imports("../../store/MemoryStore.js"), boundary],
  ["src/http/server/X.ts", imports("../../federation/Federation.js"), boundary],
  ["src/config/X.ts", imports("../store/Sqlite.js"), boundary],
  ["src/telemetry/X.ts", imports("../http/Server.js"), boundary],
  ["src/cli/X.ts", imports("../main.js"), boundary],
  ["src/MemoryNode.ts", imports("./cli/serve.js"), boundary],
  ["src/index.ts", imports("./cli/serve.js"), boundary],
  ["src/http/X.ts", imports("@effect/schema"), boundary],
  ["test/X.test.ts", imports("@effect/schema/Schema"), boundary],
  ["src/store/X.ts", `import { randomUUID } from "node:crypto"\nexport const x = randomUUID\n`, boundary],
  ["src/federation/X.ts", `import { setTimeout } from "node:timers/promises"\nexport const x = setTimeout\n`, boundary],
  ["src/operations/X.ts", `import { performance } from "node:perf_hooks"\nexport const x = performance\n`, boundary],
  ["src/domain/X.ts", "export const x = Date.now()\n", syntax],
  ["src/replication/X.ts", "export const x = new Date()\n", syntax],
  ["src/store/X.ts", "export const x = Math.random()\n", syntax],
  ["src/federation/X.ts", "export const x = globalThis.setTimeout\n", syntax],
  ["src/operations/X.ts", "export const x = process.hrtime.bigint()\n", syntax],
  ["src/http/X.ts", `export const x = () => import("../store/Sqlite.js")\n`, syntax],
  ["src/http/handlers/X.ts", `export const x = (y: Y) => y.handle("x", z)\n`, syntax],
  ["src/http/handlers/X.ts", `export const x = (y: Y) => y.handleRaw("x", z)\n`, syntax],
  ["src/http/handlers/X.ts", `export const x = () => import("../../store/Sqlite.js")\n`, syntax],
  ["src/operations/X.ts", "export const x = crypto.randomUUID()\n", "no-restricted-globals"],
  ["src/federation/X.ts", "setTimeout(() => undefined, 1)\n", "no-restricted-globals"],
  ["src/store/X.ts", "setInterval(() => undefined, 1)\n", "no-restricted-globals"],
  ["src/store/X.ts", "setImmediate(() => undefined)\n", "no-restricted-globals"],
  ["src/store/log/eventLoopTurn.ts", "setTimeout(() => undefined, 1)\n", "no-restricted-globals"],
  ["src/domain/X.ts", "export const x = performance.now()\n", "no-restricted-globals"],
  ["src/http/X.ts", `console.log("x")\n`, "no-console"],
  ["src/cli/X.ts", `console.error("x")\n`, "no-console"],
  ["src/http/X.ts", "export const x = (y: any) => y\n", "@typescript-eslint/no-explicit-any"],
  ["test/X.test.ts", "// @ts-ignore\nexport const x = 1\n", "@typescript-eslint/ban-ts-comment"],
  ["test/X.test.ts", `it.only("x", () => undefined)\n`, syntax],
  ["test/X.test.ts", `it.effect.skip("x", () => undefined)\n`, syntax],
  ["test/X.test.ts", `describe.skip("x", () => undefined)\n`, syntax],
  ["test/X.test.ts", `it.todo("x")\n`, syntax],
  ["test/X.test.ts", "export const x = 1;\n", "@effect/dprint"],
  ["src/domain/X.ts", "export const x = 'a'\n", "@effect/dprint"]
]

const allowed: ReadonlyArray<readonly [file: string, code: string]> = [
  ["src/domain/X.ts", imports("effect/Schema")],
  ["src/domain/X.ts", imports("./Stamp.js")],
  ["src/domain/X.ts", "export const x = (millis: number) => new Date(millis)\n"],
  ["src/store/X.ts", imports("../replication/Operation.js")],
  ["src/store/X.ts", imports("../telemetry/Metrics.js")],
  ["src/store/X.ts", `import { createHash } from "node:crypto"\nexport const x = createHash\n`],
  ["src/store/log/eventLoopTurn.ts", "setImmediate(() => undefined)\n"],
  ["src/federation/X.ts", imports("../store/MemoryStore.js")],
  ["src/federation/quorumFanout.ts", imports("effect/FiberSet")],
  ["src/http/X.ts", imports("../operations/remember.js")],
  ["src/http/contract/X.ts", imports("./errors.js")],
  ["src/http/contract/X.ts", imports("@effect/platform/HttpApi")],
  ["src/http/contract/X.ts", imports("../../domain/Memory.js")],
  ["src/http/Client.ts", imports("./contract/Api.js")],
  ["src/http/Client.ts", imports("@effect/platform/HttpApiClient")],
  ["src/http/handlers/X.ts", imports("../contract/memories.js")],
  ["src/http/handlers/X.ts", imports("../calls/Caller.js")],
  ["src/http/handlers/X.ts", imports("../../operations/remember.js")],
  ["src/http/handlers/handlers.ts", imports("../calls/Reply.js")],
  ["src/http/calls/X.ts", imports("../contract/errors.js")],
  ["src/http/server/X.ts", imports("../handlers/handlers.js")],
  ["src/http/handlers/X.ts", "export const x = (y: Y) => y.handleRaw(...z)\n"],
  ["src/http/X.ts", "export const x = Date.now()\n"],
  ["src/cli/X.ts", imports("../MemoryNode.js")],
  ["src/main.ts", imports("./cli/quorate.js")],
  ["test/X.test.ts", imports("../src/store/Sqlite.js")]
]

describe("the lint rules", () => {
  it.each(refused)("refuse in %s: %s", async (file, code, rule) => {
    assert.include(await rulesBroken(file, code), rule)
  })

  it.each(allowed)("allow in %s: %s", async (file, code) => {
    assert.deepStrictEqual(await rulesBroken(file, code), [])
  })

  it("cannot be switched off by a comment", async () => {
    const code = "/* eslint-disable */\nexport const x = Date.now()\n"
    assert.include(await rulesBroken("src/domain/X.ts", code), syntax)
  })
})

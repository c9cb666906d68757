import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Tracer from "effect/Tracer"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Logging from "../../src/telemetry/Logging.js"

/** What `program` logs, line by line, in one of the formats. */
const linesOf = <E>(format: (event: Logger.Logger.Options<unknown>) => string, program: Effect.Effect<unknown, E>) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const logger = Logger.make((event) => {
      lines.push(format(event))
    })
    yield* Effect.provide(program, Logger.replace(Logger.defaultLogger, logger))
    return lines
  })

const json = <E>(program: Effect.Effect<unknown, E>) =>
  Effect.map(
    linesOf(Logging.jsonLine, program),
    (lines) => lines.map((line): Record<string, unknown> => JSON.parse(line))
  )

describe("Logging.jsonLine", () => {
  it.effect("has time, level, message and annotations", () =>
    Effect.gen(function*() {
      const lines = yield* json(
        Effect.logWarning("quorum \"met\"\n\u001b[31m").pipe(
          Effect.annotateLogs({ op_id: "o1", n_missing: 2, level: "mine", nothing: null, big: 10n })
        )
      )
      assert.deepStrictEqual(lines, [{
        timestamp: "1970-01-01T00:00:00.000Z",
        level: "warn",
        message: "quorum \"met\"\n\u001b[31m",
        op_id: "o1",
        n_missing: 2,
        level_: "mine",
        nothing: null,
        big: "10"
      }])
    }))

  it.effect("takes fields from a plain object among the values, before annotations", () =>
    Effect.gen(function*() {
      const lines = yield* json(
        Effect.logInfo("a", { memory_id: "m1", secret: Redacted.make("x") }, "b", 3, [1]).pipe(
          Effect.annotateLogs({ memory_id: "hidden", op_id: "o1" })
        )
      )
      assert.strictEqual(lines[0]?.["message"], "a b 3 [1]")
      assert.strictEqual(lines[0]?.["memory_id"], "m1")
      assert.strictEqual(lines[0]?.["op_id"], "o1")
      assert.strictEqual(lines[0]?.["secret"], "<redacted>")
    }))

  it.effect("survives values that are no JSON", () =>
    Effect.gen(function*() {
      const circular: Record<string, unknown> = {}
      circular["self"] = circular
      const lines = yield* json(
        Effect.logInfo("x").pipe(Effect.annotateLogs({ circular, nan: Number.NaN, none: undefined, call: () => 1 }))
      )
      assert.strictEqual(lines[0]?.["nan"], "NaN")
      assert.strictEqual(lines[0]?.["none"], "undefined")
    }))

  it.effect("has the cause, in full", () =>
    Effect.gen(function*() {
      const lines = yield* json(Effect.logError("failed", Cause.die(new Error("boom"))))
      assert.strictEqual(lines[0]?.["message"], "failed")
      assert.include(String(lines[0]?.["cause"]), "Error: boom")
    }))

  it.effect("has the ids of the current span, and none where tracing is off", () =>
    Effect.gen(function*() {
      const program = Effect.logInfo("x").pipe(Effect.withSpan("work"))
      const [traced] = yield* json(program)
      assert.match(String(traced?.["trace_id"]), /^[0-9a-f]{32}$/)
      assert.match(String(traced?.["span_id"]), /^[0-9a-f]{16}$/)
      const [untraced] = yield* json(Effect.withTracerEnabled(program, false))
      assert.notProperty(untraced, "trace_id")
      const parent = Tracer.externalSpan({ traceId: "a".repeat(32), spanId: "b".repeat(16) })
      const [continued] = yield* json(Effect.withParentSpan(Effect.logInfo("x"), parent))
      assert.strictEqual(continued?.["trace_id"], parent.traceId)
      assert.strictEqual(continued?.["span_id"], parent.spanId)
    }))
})

describe("Logging.prettyLine", () => {
  it.effect("is one line of plain words, whatever the words are", () =>
    Effect.gen(function*() {
      const lines = yield* linesOf(
        Logging.prettyLine(false),
        Effect.logInfo("title\nERROR forged \u001b[2J").pipe(Effect.annotateLogs({ peer: "b\r\n", n: 1 }))
      )
      assert.deepStrictEqual(lines, [
        "00:00:00.000 info  title\\u000aERROR forged \\u001b[2J peer=b\\u000d\\u000a n=1"
      ])
    }))

  it.effect("indents a cause, and colours on request", () =>
    Effect.gen(function*() {
      const lines = yield* linesOf(Logging.prettyLine(true), Effect.logError("x", Cause.fail("why")))
      assert.deepStrictEqual(lines, ["00:00:00.000 \u001b[31merror\u001b[0m x\n    Error: why"])
    }))
})

const inFile = <A>(body: (descriptor: number, content: () => string) => Promise<A>) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-logging-"))
  const file = path.join(directory, "log")
  const descriptor = fs.openSync(file, "a")
  return body(descriptor, () => fs.readFileSync(file, "utf8")).finally(() => {
    fs.closeSync(descriptor)
    fs.rmSync(directory, { recursive: true })
  })
}

describe("Logging.layer", () => {
  it("writes the lines of one turn together, and what is left at release", () =>
    inFile(async (descriptor, content) => {
      await Effect.runPromise(
        Effect.gen(function*() {
          yield* Effect.logInfo("one")
          yield* Effect.logInfo("two")
          assert.strictEqual(content(), "")
          yield* Effect.promise(() => new Promise((done) => setImmediate(() => setImmediate(done))))
          assert.strictEqual(content().split("\n").length, 3)
          yield* Effect.logInfo("three")
        }).pipe(Effect.provide(Logging.layer({ level: LogLevel.Info, format: "json", descriptor })))
      )
      const messages = content().trimEnd().split("\n").map((line) => JSON.parse(line).message)
      assert.deepStrictEqual(messages, ["one", "two", "three"])
    }))

  it("keeps to its level", () =>
    inFile(async (descriptor, content) => {
      await Effect.runPromise(
        Effect.zipRight(Effect.logInfo("no"), Effect.logWarning("yes")).pipe(
          Effect.provide(Logging.layer({ level: LogLevel.Warning, format: "pretty", descriptor }))
        )
      )
      assert.match(content(), /^\S+ warn {2}yes\n$/)
    }))

  it("writes at once what a fiber says after the release", () =>
    inFile(async (descriptor, content) => {
      const runtime = await Effect.runPromise(
        Layer.build(Logging.layer({ level: LogLevel.Info, format: "json", descriptor })).pipe(
          Effect.zipRight(Effect.runtime()),
          Effect.scoped
        )
      )
      assert.strictEqual(content(), "")
      Runtime.runSync(runtime)(Effect.logInfo("late"))
      assert.strictEqual(JSON.parse(content()).message, "late")
    }))

  it("a reader that is gone costs the lines, not the process", () =>
    Effect.runPromise(
      Effect.logInfo("x").pipe(
        Effect.provide(Logging.layer({ level: LogLevel.Info, format: "json", descriptor: 9999 }))
      )
    ))
})

describe("a process that logs", () => {
  const dist = fileURLToPath(new URL("../../dist/telemetry/Logging.js", import.meta.url))
  const script = (end: string) => `
    import * as Effect from "effect/Effect"
    import * as LogLevel from "effect/LogLevel"
    import * as Logging from ${JSON.stringify(dist)}
    const program = Effect.gen(function*() {
      for (let i = 0; i < 3000; i++) yield* Effect.logInfo("line " + i)
      ${end}
    })
    Effect.runFork(program.pipe(Effect.provide(Logging.layer({ level: LogLevel.Info, format: "json" }))))
  `
  const crash = (end: string) =>
    spawnSync(process.execPath, ["--input-type=module", "--eval", script(end)], {
      cwd: path.dirname(dist),
      encoding: "utf8",
      maxBuffer: 1 << 26
    })

  for (
    const [how, end] of [
      ["process.exit", "process.exit(3)"],
      ["an exception", "process.nextTick(() => { throw new Error('crash') }); yield* Effect.never"]
    ] as const
  ) {
    it(`loses no line at ${how}`, () => {
      const { status, stderr } = crash(end)
      const lines = stderr.split("\n").filter((line) => line.startsWith("{"))
      assert.strictEqual(lines.length, 3000)
      assert.strictEqual(JSON.parse(lines.at(-1) ?? "{}").message, "line 2999")
      assert.notStrictEqual(status, 0)
    })
  }

  it("loses no line to a slow reader", () => {
    const command = `"$0" --input-type=module --eval "$1" 2>&1 >/dev/null | (sleep 0.5; wc -l)`
    const out = execFileSync("sh", ["-c", command, process.execPath, script("process.exit(0)")], {
      cwd: path.dirname(dist),
      encoding: "utf8"
    })
    assert.strictEqual(out.trim(), "3000")
  })
})

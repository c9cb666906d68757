import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as fs from "node:fs"

interface Options {
  readonly level: LogLevel.LogLevel
  readonly format: "json" | "pretty"
  /** Only for `pretty`, on a terminal. */
  readonly colors?: boolean
  /** File descriptor written to; standard error where nothing is said. */
  readonly descriptor?: number
}

/**
 * One line per event: JSON for machines, or words for people. The lines of one turn of the event loop leave in one write; what
 * waits is written when the layer is released and when the process exits, after an uncaught exception too.
 */
export const layer = (options: Options): Layer.Layer<never> =>
  Layer.unwrapScoped(
    Effect.map(makeSink(options.descriptor ?? 2), (write) => {
      const format = options.format === "json" ? jsonLine : prettyLine(options.colors ?? false)
      return Layer.merge(
        Logger.replace(Logger.defaultLogger, Logger.make((event) => write(format(event)))),
        Logger.minimumLogLevel(options.level)
      )
    })
  )

type Event = Logger.Logger.Options<unknown>

/** Keys of our own; an annotation of the same name gets an underscore. */
const RESERVED = new Set(["timestamp", "level", "message", "trace_id", "span_id", "cause"])

/**
 * One event as a line of JSON, without its line break. A plain object among the logged values becomes fields of the line, as
 * annotations do, and costs a third of `Effect.annotateLogs`.
 */
export const jsonLine = (event: Event): string => {
  const { fields, text } = partsOf(event)
  let line = `{"timestamp":"${timestamp(event.date)}","level":"${levelName(event)}","message":${JSON.stringify(text)}`
  for (const [key, value] of fields) {
    line += `,${JSON.stringify(RESERVED.has(key) ? `${key}_` : key)}:${jsonValue(value)}`
  }
  for (const { label, startTime } of event.spans) {
    line += `,${JSON.stringify(`${label}_ms`)}:${event.date.getTime() - startTime}`
  }
  const span = currentSpan(event)
  if (span !== undefined) line += `,"trace_id":"${span.traceId}","span_id":"${span.spanId}"`
  if (!Cause.isEmpty(event.cause)) line += `,"cause":${JSON.stringify(causeText(event.cause))}`
  return `${line}}`
}

/** One event for a person: time of day, level, message, `key=value`; a cause on lines of its own. */
export const prettyLine = (colors: boolean) => (event: Event): string => {
  const { fields, text } = partsOf(event)
  const level = levelName(event)
  const name = colors ? `\u001b[${COLORS[level] ?? "0"}m${level.padEnd(5)}\u001b[0m` : level.padEnd(5)
  let line = `${timestamp(event.date).slice(11, 23)} ${name} ${printable(text)}`
  for (const [key, value] of fields) {
    line += ` ${printable(key)}=${typeof value === "string" ? printable(value) : jsonValue(value)}`
  }
  const span = currentSpan(event)
  if (span !== undefined) line += ` trace_id=${span.traceId}`
  if (Cause.isEmpty(event.cause)) return line
  return [line, ...causeText(event.cause).split("\n").map((each) => `    ${printable(each)}`)].join("\n")
}

/** The words of an event, and its fields: those logged with it hide annotations of the same name. */
const partsOf = ({ annotations, message }: Event): { readonly text: string; readonly fields: Map<string, unknown> } => {
  const fields = new Map(annotations)
  const words: Array<string> = []
  for (const part of Array.isArray(message) ? message : [message]) {
    if (!isFields(part)) words.push(wordsOf(part))
    else for (const [key, value] of Object.entries(part)) fields.set(key, value)
  }
  return { text: words.join(" "), fields }
}

const isFields = (part: unknown): part is object =>
  typeof part === "object" && part !== null && Object.getPrototypeOf(part) === Object.prototype

const wordsOf = (part: unknown): string =>
  typeof part === "string" ? part : part instanceof Error ? String(part) : jsonValue(part)

const COLORS: Readonly<Record<string, string>> = {
  debug: "2",
  trace: "2",
  info: "32",
  warn: "33",
  error: "31",
  fatal: "35"
}

const levelName = ({ logLevel }: Event) => logLevel._tag === "Warning" ? "warn" : logLevel._tag.toLowerCase()

let latestMillis = Number.NaN
let latestText = ""

/** Many lines share a millisecond. */
const timestamp = (date: Date) => {
  const millis = date.getTime()
  if (millis !== latestMillis) {
    latestMillis = millis
    latestText = date.toISOString()
  }
  return latestText
}

const jsonValue = (value: unknown): string => {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return JSON.stringify(value)
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : JSON.stringify(String(value))
  if (typeof value === "object") return Inspectable.stringifyCircular(Inspectable.toJSON(value)) ?? "null"
  return JSON.stringify(String(value))
}

const causeText = (cause: Cause.Cause<unknown>) => Cause.pretty(cause, { renderErrorCause: true })

/** Words of others do not move the cursor or begin a line. */
const printable = (text: string) =>
  text.replaceAll(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** The span the line belongs to, unless tracing is off. */
const currentSpan = ({ context }: Event): Tracer.AnySpan | undefined => {
  const services = FiberRefs.getOrDefault(context, FiberRef.currentContext)
  const span = Option.getOrUndefined(Context.getOption(services, Tracer.ParentSpan))
  return span === undefined || span.traceId === "noop" || span.spanId === "noop" ? undefined : span
}

/** What is kept for a reader that does not read; beyond it lines are dropped, and counted. */
const MAX_WAITING_CHARS = 8 * 1024 * 1024
const RETRY_MILLIS = 10
/** At exit a slow reader gets this long for the rest. */
const EXIT_ATTEMPTS = 100

/** Collects lines and writes them once per turn of the event loop. */
const makeSink = (descriptor: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const sink = new Sink(descriptor)
      process.on("exit", sink.drain)
      return sink
    }),
    (sink) =>
      Effect.sync(() => {
        sink.drain()
        sink.closed = true
        process.off("exit", sink.drain)
      })
  ).pipe(Effect.map((sink) => sink.write))

class Sink {
  /** After the release there is no later turn to rely on: every line is written at once. */
  closed = false
  private waiting = ""
  private rest: Uint8Array = new Uint8Array()
  private scheduled = false
  private dropped = 0
  private readonly descriptor: number

  constructor(descriptor: number) {
    this.descriptor = descriptor
  }

  readonly write = (line: string): void => {
    if (this.waiting.length > MAX_WAITING_CHARS) {
      this.dropped += 1
      return
    }
    this.waiting += `${line}\n`
    if (this.closed) return this.drain()
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(this.flush)
  }

  private readonly flush = (): void => {
    this.scheduled = false
    if (this.writeWaiting()) return
    this.scheduled = true
    setTimeout(this.flush, RETRY_MILLIS).unref()
  }

  /** Everything that waits, now; only a reader that does not read for a second loses lines. */
  readonly drain = (): void => {
    for (let attempt = 0; attempt < EXIT_ATTEMPTS && !this.writeWaiting(); attempt++) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MILLIS)
    }
  }

  /** Whether nothing is left. A reader that is gone for good takes the lines with it. */
  private writeWaiting(): boolean {
    try {
      while (this.rest.length > 0 || this.waiting !== "") {
        if (this.rest.length === 0) this.rest = this.takeWaiting()
        this.rest = this.rest.subarray(fs.writeSync(this.descriptor, this.rest))
      }
    } catch (cause) {
      if (cause instanceof Error && "code" in cause && cause.code === "EAGAIN") return false
      this.rest = new Uint8Array()
      this.waiting = ""
    }
    return true
  }

  private takeWaiting(): Uint8Array {
    const lost = this.dropped === 0 ? "" : `{"level":"warn","message":"log lines dropped","count":${this.dropped}}\n`
    const bytes = new TextEncoder().encode(this.waiting + lost)
    this.waiting = ""
    this.dropped = 0
    return bytes
  }
}

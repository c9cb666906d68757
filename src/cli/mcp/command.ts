import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as path from "node:path"
import * as smallFile from "../../access/smallFile.js"
import { BadUsage } from "../report.js"
import * as Bridge from "./bridge.js"
import { ensure, usualDatabase } from "./ensure.js"
import type { Target } from "./exchange.js"

const URL_VARIABLE = "QUORATE_URL"
const KEY_VARIABLE = "QUORATE_API_KEY"
const USUAL_URL = "http://127.0.0.1:9077"
const MAX_FILE_BYTES = 64 * 1024

const file = (name: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName("file"), Options.withDescription(description), Options.optional)

export const options = {
  url: Options.text("url").pipe(
    Options.withPseudoName("url"),
    Options.withDescription(`The daemon. Default: ${URL_VARIABLE}, else ${USUAL_URL}.`),
    Options.optional
  ),
  keyFile: file("api-key-file", `File with the API key; the variable ${KEY_VARIABLE} holds the key itself.`),
  agentId: Options.text("agent-id").pipe(
    Options.withPseudoName("id"),
    Options.withDescription("The agent that writes."),
    Options.optional
  ),
  profile: Options.text("mcp-profile").pipe(
    Options.withPseudoName("profile"),
    Options.withDescription("Tools that are shown: core (eight) or full. Default: as the daemon is set."),
    Options.optional
  ),
  ensure: Options.boolean("ensure").pipe(
    Options.withDescription("Start a daemon in the background when none answers.")
  ),
  db: file("db", "The database of a daemon that is started. Default: quorate/quorate.db in $XDG_DATA_HOME."),
  caCert: file("ca-cert", "Trust this certificate of the daemon, or of who issued it."),
  clientCert: file("client-cert", "The certificate to show to the daemon."),
  clientKey: file("client-key", "Its key.")
}

/** `quorate mcp`: the Model Context Protocol on standard input and output, for the clients of a daemon. */
export const make = () =>
  Command.make("mcp", options, (given) =>
    Effect.gen(function*() {
      const target = yield* targetOf(given)
      const { profile } = given
      if (Option.isSome(profile) && profile.value !== "core" && profile.value !== "full") {
        return yield* new BadUsage({ problem: "--mcp-profile must be core or full" })
      }
      const revive = given.ensure
        ? ensure(target, path.resolve(Option.getOrElse(given.db, usualDatabase)))
        : Effect.void
      if (given.ensure) yield* startable(target)
      yield* endings
      yield* Bridge.run({
        target,
        path: Option.match(profile, { onNone: () => "/mcp", onSome: (name) => `/mcp?profile=${name}` }),
        input: process.stdin,
        write,
        revive
      })
    })).pipe(
      Command.withDescription("Speak the Model Context Protocol on standard input and output, as a client of a daemon.")
    )

interface Given {
  readonly url: Option.Option<string>
  readonly keyFile: Option.Option<string>
  readonly agentId: Option.Option<string>
  readonly caCert: Option.Option<string>
  readonly clientCert: Option.Option<string>
  readonly clientKey: Option.Option<string>
}

const targetOf = (given: Given): Effect.Effect<Target, BadUsage> =>
  Effect.gen(function*() {
    const { [KEY_VARIABLE]: keyOfEnvironment, [URL_VARIABLE]: urlOfEnvironment } = process.env
    const url = yield* urlOf(Option.getOrElse(given.url, () => urlOfEnvironment ?? USUAL_URL))
    const key = Option.isSome(given.keyFile)
      ? (yield* read("api-key-file", given.keyFile.value)).toString("utf8").trim()
      : keyOfEnvironment?.trim() ?? ""
    const [ca, cert, clientKey] = yield* Effect.all([
      readIf("ca-cert", given.caCert),
      readIf("client-cert", given.clientCert),
      readIf("client-key", given.clientKey)
    ])
    return {
      url,
      headers: {
        "user-agent": "quorate-mcp",
        ...(key === "" ? {} : { "x-api-key": yield* header("the API key", key) }),
        ...(Option.isNone(given.agentId) ? {} : { "x-agent-id": yield* header("--agent-id", given.agentId.value) })
      },
      tls: {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(clientKey === undefined ? {} : { key: clientKey })
      }
    }
  })

const urlOf = (text: string): Effect.Effect<URL, BadUsage> =>
  Effect.filterOrFail(
    Effect.try({ try: () => new URL(text), catch: () => badUrl }),
    (url) => /^https?:$/.test(url.protocol) && url.username === "" && url.pathname === "/" && url.search === "",
    () => badUrl
  )

const badUrl = new BadUsage({ problem: `--url must be as ${USUAL_URL} is: http or https, a host and a port` })

/** What is started in the background is for this machine alone. */
const startable = ({ url }: Target) =>
  url.protocol === "http:" && /^(?:127\.0\.0\.1|localhost|\[::1\])$/.test(url.hostname)
    ? Effect.void
    : Effect.fail(
      new BadUsage({ problem: "--ensure starts a daemon on this machine: --url must be http and a loopback address" })
    )

const header = (what: string, text: string) =>
  /^[\x21-\x7e]+$/.test(text)
    ? Effect.succeed(text)
    : Effect.fail(new BadUsage({ problem: `${what} must be printable ASCII characters without spaces` }))

const readIf = (name: string, file: Option.Option<string>) =>
  Option.match(file, { onNone: () => Effect.succeed(undefined), onSome: (place) => read(name, place) })

const read = (name: string, place: string) =>
  Effect.try({
    try: () => smallFile.read(place, MAX_FILE_BYTES),
    catch: (cause) => new BadUsage({ problem: `--${name}: ${cause instanceof Error ? cause.message : String(cause)}` })
  })

const write = (line: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    process.stdout.write(`${line}\n`, () => resume(Effect.void))
  })

/** A client that does not read any more is gone: then there is no more to be read of it either. So it is after a signal. */
const endings = Effect.sync(() => {
  const end = () => process.stdin.destroy()
  process.stdout.on("error", end)
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, end)
})

import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as smallFile from "../../access/smallFile.js"
import { version } from "../../domain/version.js"
import { BadUsage } from "../report.js"
import type { Target } from "./exchange.js"

const URL_VARIABLE = "QUORATE_URL"
const KEY_VARIABLE = "QUORATE_API_KEY"
const USUAL_URL = "http://127.0.0.1:9077"
const MAX_FILE_BYTES = 64 * 1024

const file = (name: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName("file"), Options.withDescription(description), Options.optional)

/** Which daemon is asked, by whom, and how it is known. */
export const options = {
  url: Options.text("url").pipe(
    Options.withPseudoName("url"),
    Options.withDescription(`The daemon. Default: ${URL_VARIABLE}, else ${USUAL_URL}.`),
    Options.optional
  ),
  keyFile: file("api-key-file", `File with the API key; the variable ${KEY_VARIABLE} holds the key itself.`),
  agentId: Options.text("agent-id").pipe(
    Options.withPseudoName("id"),
    Options.withDescription("The agent that asks, or writes."),
    Options.optional
  ),
  caCert: file("ca-cert", "Trust this certificate of the daemon, or of who issued it."),
  clientCert: file("client-cert", "The certificate to show to the daemon."),
  clientKey: file("client-key", "Its key.")
}

export interface Given {
  readonly url: Option.Option<string>
  readonly keyFile: Option.Option<string>
  readonly agentId: Option.Option<string>
  readonly caCert: Option.Option<string>
  readonly clientCert: Option.Option<string>
  readonly clientKey: Option.Option<string>
}

/** What they come to. */
export const targetOf = (given: Given): Effect.Effect<Target, BadUsage> =>
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
        "user-agent": `quorate/${version}`,
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

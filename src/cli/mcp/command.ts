import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as path from "node:path"
import type { Target } from "../asking/exchange.js"
import * as asking from "../asking/target.js"
import { BadUsage } from "../report.js"
import * as Bridge from "./bridge.js"
import { ensure, usualDatabase } from "./ensure.js"

const { agentId, caCert, clientCert, clientKey, keyFile, url } = asking.options

export const options = {
  url,
  keyFile,
  agentId,
  profile: Options.text("mcp-profile").pipe(
    Options.withPseudoName("profile"),
    Options.withDescription("Tools that are shown: core (eight) or full. Default: as the daemon is set."),
    Options.optional
  ),
  ensure: Options.boolean("ensure").pipe(
    Options.withDescription("Start a daemon in the background when none answers.")
  ),
  db: Options.text("db").pipe(
    Options.withPseudoName("file"),
    Options.withDescription("The database of a daemon that is started. Default: quorate/quorate.db in $XDG_DATA_HOME."),
    Options.optional
  ),
  caCert,
  clientCert,
  clientKey
}

/** `quorate mcp`: the Model Context Protocol on standard input and output, for the clients of a daemon. */
export const make = () =>
  Command.make("mcp", options, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
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

/** What is started in the background is for this machine alone. */
const startable = ({ url }: Target) =>
  url.protocol === "http:" && /^(?:127\.0\.0\.1|localhost|\[::1\])$/.test(url.hostname)
    ? Effect.void
    : Effect.fail(
      new BadUsage({ problem: "--ensure starts a daemon on this machine: --url must be http and a loopback address" })
    )

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

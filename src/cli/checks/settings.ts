import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Effective } from "../../config/ConfigSources.js"
import * as FederationConfig from "../../federation/FederationConfig.js"
import * as peerClient from "../../federation/wire/dispatcher.js"
import * as Tls from "../../http/server/tls.js"
import { type Check, fault, ok, warning } from "./Check.js"

/** Whether a node starts with these settings: judged by what judges them at a start, with the files that they name. */
export const examine = ({ settings, warnings }: Effective): Effect.Effect<Check> =>
  Effect.gen(function*() {
    const federation = FederationConfig.ofSettings(settings)
    const judged: ReadonlyArray<Either.Either<unknown, Error>> = [
      federation,
      yield* Effect.either(peerClient.load(peerClient.ofSettings(settings))),
      yield* Effect.either(Tls.load(settings))
    ]
    const problems = judged.flatMap((each) => Either.isLeft(each) ? [each.left.message] : [])
    if (problems.length > 0) return fault("settings", `no node starts with them: ${problems.join("; ")}`)
    const config = Option.flatten(Option.getRight(federation))
    const told = [...warnings, ...Option.toArray(Option.flatMap(config, FederationConfig.warningOf))]
    return told.length === 0 ? ok("settings", "they can be used") : warning("settings", told.join("; "))
  })

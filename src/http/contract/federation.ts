import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { conflicts, resolve } from "./conflicts.js"
import { deadLetter, deadLetters, discardDeadLetter, retryDeadLetter } from "./deadLetters.js"

export const federation = HttpApiGroup.make("federation")
  .add(conflicts)
  .add(resolve)
  .add(deadLetters)
  .add(deadLetter)
  .add(retryDeadLetter)
  .add(discardDeadLetter)
  .annotateContext(
    OpenApi.annotations({ title: "Federation", description: "Writes that met, and writes that could not be sent" })
  )

import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"

export const federation = HttpApiGroup.make("federation")
  .annotateContext(
    OpenApi.annotations({ title: "Federation", description: "Writes that met, and writes that could not be sent" })
  )

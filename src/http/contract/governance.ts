import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"

export const governance = HttpApiGroup.make("governance")
  .annotateContext(
    OpenApi.annotations({ title: "Governance", description: "What namespaces ask of their memories, and who decides" })
  )

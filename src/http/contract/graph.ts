import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"

export const graph = HttpApiGroup.make("graph")
  .annotateContext(OpenApi.annotations({ title: "Graph", description: "Link memories and follow the links" }))

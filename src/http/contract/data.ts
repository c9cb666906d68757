import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"

export const data = HttpApiGroup.make("data")
  .annotateContext(OpenApi.annotations({ title: "Data", description: "Take out, bring in and tidy what a node holds" }))

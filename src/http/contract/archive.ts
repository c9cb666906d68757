import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"

export const archive = HttpApiGroup.make("archive")
  .annotateContext(
    OpenApi.annotations({
      title: "Archive",
      description: "Write many memories at once, put memories away and take them back"
    })
  )

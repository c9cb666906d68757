// Loaded into a daemon before its own code (`--import`): which functions run between a create's request and its answer.
import diagnostics from "node:diagnostics_channel"
import inspector from "node:inspector"

const CREATE = "/api/v1/memories"

const session = new inspector.Session()
session.connect()

/** Of one's own thread the inspector answers before it returns. */
const post = (method, params) => {
  let answer
  session.post(method, params, (error, result) => {
    if (error !== null) throw new Error(error.message)
    answer = result
  })
  return answer
}

/** `{ url, functions }` of each script that ran since the last call; a function by the offset where it begins. */
const take = () =>
  post("Profiler.takePreciseCoverage").result
    .map(({ functions, url }) => ({
      url,
      functions: functions.filter(({ ranges }) => ranges[0].count > 0).map(({ ranges }) => ranges[0].startOffset)
    }))
    .filter(({ functions, url }) => url.startsWith("file:") && !url.includes("/node_modules/") && functions.length > 0)

const isCreate = ({ method, url }) => method === "POST" && url === CREATE

post("Profiler.enable")
post("Profiler.startPreciseCoverage", { callCount: true, detailed: false, allowTriggeredUpdates: false })
diagnostics.subscribe("http.server.request.start", ({ request }) => {
  if (isCreate(request)) take()
})
diagnostics.subscribe("http.server.response.finish", ({ request }) => {
  if (isCreate(request)) process.send?.(take())
})

// Memories that come a thousand in a request, from one client.
import { PATIENT, withMesh } from "./mesh.mjs"

export const ROWS = 1_000

export const measure = (shape, options) =>
  withMesh(shape, options.dir, async (measure) => {
    await measure(1, options.warmUp, { rows: ROWS })
    const { convergedPerSecond, entryMicros, p50, peersMicros, rowsPerSecond } = await measure(1, options.seconds, {
      rows: ROWS
    })
    return [{ rowsPerSecond, convergedPerSecond, p50, entryMicros, peersMicros }]
  }, { env: PATIENT })

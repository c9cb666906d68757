import * as Context from "effect/Context"
import * as Duration from "effect/Duration"

/** How long a connection may keep a file open on which nothing comes of what it was made for. */
export class Patience extends Context.Reference<Patience>()("quorate/http/Patience", {
  defaultValue: () => ({
    /** Longer than the pools of peers and proxies keep an idle connection: the side that reuses it must not find it closed. */
    keepAlive: Duration.seconds(75),
    /** For all headers of a request to arrive, and of the first one from when the connection was made. */
    headers: Duration.seconds(20),
    /** At shutdown, for the rest of what has begun: a connection may have been made for nothing, and half a head says nothing. */
    lastHeaders: Duration.seconds(3),
    /** For the handshake of TLS, until which nothing says that the other side speaks it at all. */
    handshake: Duration.seconds(20),
    /** For a whole request to arrive. */
    request: Duration.seconds(60),
    /** How often connections are looked at. */
    look: Duration.seconds(5),
    /** For a client to take something of its answer; a large one gets more: as long as it takes at the pace below. */
    stalled: Duration.seconds(30),
    bytesPerSecond: 32 * 1024
  })
}) {}

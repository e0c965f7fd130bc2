/**
 * What the suite of RPC rooms needs of the world that it runs in: the memory layers in Node, or the real runtime.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type * as RpcRoom from "../../src/rpc/RpcRoom.ts"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"
import { Calls, type Ticker } from "./Ticker.ts"

export type Services = RpcRoom.Identifier<"ticker"> | RoomRuntime.Services<typeof Ticker.room>

/** A connection, by its frames. */
export interface Connection {
  readonly send: (frame: string) => Effect.Effect<void>
  /** Takes a frame, waiting until it has arrived; fails with the code of the close, where it is over. */
  readonly take: Effect.Effect<string, number>
  /** What has arrived and was not taken, once everything that is under way has arrived. */
  readonly rest: Effect.Effect<ReadonlyArray<unknown>>
  readonly close: Effect.Effect<void>
}

export interface World {
  readonly connect: (query?: string) => Effect.Effect<Connection, unknown, Scope.Scope>
  /** Runs an effect inside the object. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, Services>) => Effect.Effect<A, E>
  /** Makes the alarm fire. */
  readonly ring: Effect.Effect<void>
  readonly evict: Effect.Effect<void>
}

/** A stock client of a room. It connects again where its connection ends. */
export const client = Effect.fnUntraced(function*(
  world: World,
  query = "",
  options?: Parameters<typeof RpcClient.makeProtocolSocket>[0]
) {
  const opened = Latch.makeUnsafe(false)
  let current: Connection | undefined
  const closed = (code: number) => new Socket.SocketError({ reason: new Socket.SocketCloseError({ code }) })
  const socket = Socket.make({
    reader: Effect.gen(function*() {
      const connection = yield* Effect.mapError(
        world.connect(query),
        (cause) => new Socket.SocketError({ reason: new Socket.SocketOpenError({ kind: "Unknown", cause }) })
      )
      yield* Effect.addFinalizer(() => connection.close)
      current = connection
      opened.openUnsafe()
      return {
        pull: connection.take.pipe(
          Effect.map((frame) => [frame] as const),
          Effect.mapError((code) => {
            opened.closeUnsafe()
            return closed(code)
          })
        ),
        upgrade: Socket.SocketUpgradeError.unsupported
      }
    }),
    writer: Effect.succeed({
      write: (chunk) => Effect.andThen(opened.await, Effect.suspend(() => current!.send(String(chunk)))),
      writeAll: () => Effect.die("the client writes one frame at a time")
    })
  })
  const protocol = yield* RpcClient.makeProtocolSocket(options).pipe(
    Effect.provideService(Socket.Socket, socket),
    Effect.provideService(RpcSerialization.RpcSerialization, RpcSerialization.json)
  )
  return yield* Effect.provideService(RpcClient.make(Calls), RpcClient.Protocol, protocol)
})

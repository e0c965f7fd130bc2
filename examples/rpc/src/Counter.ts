/**
 * What the counter answers. The Worker and its clients share this, and no more.
 */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"

export const CounterRpcs = RpcGroup.make(
  Rpc.make("Add", { payload: { by: Schema.Int }, success: Schema.Int }),
  Rpc.make("Watch", { success: Schema.Int, stream: true })
)

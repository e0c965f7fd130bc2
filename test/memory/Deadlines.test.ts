import { contract } from "../contract/deadlines.ts"
import { Diary, DiaryLive } from "../contract/Diary.ts"
import * as World from "./world.ts"

contract("in memory", World.make(Diary, DiaryLive))

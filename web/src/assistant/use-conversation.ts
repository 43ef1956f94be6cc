import type { Problem } from '@/lib/problem'
import { useEvents } from '@/lib/events'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { createContext, use, useState } from 'react'
import { chatQuery, chatsQuery, click, say, stop } from './api'
import { after, followFrom, type ChatEvent, type Click, type Conversation } from './conversation'

/** Follows a conversation that was read, and does what its reader says. */
export function useConversation(id: string, first: Conversation) {
  const client = useQueryClient()
  const [from] = useState(() => followFrom(first))
  const { state, problem } = useEvents(
    `/api/chat/sessions/${encodeURIComponent(id)}/events?last_event_id=${from}`,
    (event) => {
      const what = JSON.parse(event.data) as ChatEvent
      client.setQueryData(chatQuery(id).queryKey, (was) => was && after(was, what))
      if (what.kind === 'session') void client.invalidateQueries({ queryKey: chatsQuery.queryKey, exact: true })
    },
  )
  const saying = useMutation<string, Problem, { text: string; edit?: string }>({
    mutationFn: ({ text, edit }) => say(text, id, edit),
  })
  const clicking = useMutation<unknown, Problem, { card: string; answer: Click }>({
    mutationFn: ({ card, answer }) => click(id, card, answer),
  })
  const stopping = useMutation<unknown, Problem>({ mutationFn: () => stop(id) })
  return {
    saying,
    clicking,
    stopping,
    lost: state === 'retrying' || state === 'stale',
    refused: state === 'failed' ? problem : undefined,
  }
}

/** What cards need of the conversation that they are in. */
export interface Answering {
  id: string
  /** A click would be refused now: the assistant is answering. */
  busy: boolean
  answer: (card: string, answer: Click) => void
}

export const AnsweringContext = createContext<Answering | undefined>(undefined)

export function useAnswering(): Answering {
  const answering = use(AnsweringContext)
  if (!answering) throw new Error('cards are in a conversation')
  return answering
}

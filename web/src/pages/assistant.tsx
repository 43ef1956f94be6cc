import { AboutChat, Phases } from '@/assistant/about'
import { begin, chatQuery, chatsQuery, click, say } from '@/assistant/api'
import { Chats, titleOf } from '@/assistant/chats'
import { Composer } from '@/assistant/composer'
import { unanswered, type Click, type Conversation } from '@/assistant/conversation'
import { Message, Writing } from '@/assistant/message'
import { AnsweringContext, useConversation } from '@/assistant/use-conversation'
import { useConnection } from '@/lib/connection'
import { useCan } from '@/lib/me'
import { asProblem, type Problem } from '@/lib/problem'
import { Page } from '@/shell/page'
import { sourcesQuery } from '@/sources/api'
import { Button, IconButton } from '@/ui/button'
import { Sheet } from '@/ui/dialog'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { Note } from '@/ui/status'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { FileUp, MessageCircleQuestionMark, Plus, SlidersHorizontal, Waypoints } from 'lucide-react'
import { useCallback, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from 'react'

/** A new conversation, and those that were. */
export function Assistant() {
  return (
    <Page
      title="Assistant"
      about="Say what to reconcile. The assistant looks at the data, proposes rules and tries them; you decide."
    >
      <div className="grid grid-cols-[minmax(0,1fr)_17rem] items-start gap-8 max-lg:grid-cols-1">
        <Beginning />
        <section aria-label="Conversations">
          <h2 className="mb-2 px-2 text-sm font-semibold">Conversations</h2>
          <Chats />
        </section>
      </div>
    </Page>
  )
}

/** What can be asked, and the first message. */
function Beginning() {
  const navigate = useNavigate()
  const client = useQueryClient()
  const sources = useQuery(sourcesQuery)
  const mayUpload = useCan('uploads.write')
  const mayDraft = useCan('recipes.write')
  const go = async (id: string) => {
    await client.invalidateQueries({ queryKey: chatsQuery.queryKey, exact: true })
    await navigate({ to: '/assistant/$id', params: { id } })
  }
  const saying = useMutation<string, Problem, string>({ mutationFn: (text) => say(text), onSuccess: go })
  const beginning = useMutation<string, Problem>({
    mutationFn: async () => {
      const { id, messages } = await begin()
      // Where sources are there, files are one of the answers to the first question.
      const card = messages
        ?.flatMap(({ cards }) => cards ?? [])
        .find((c) => c.open && c.choice?.options?.some((o) => o.id === 'upload'))
      if (card) await click(id, card.id, { action: 'choose', option: 'upload' })
      return id
    },
    onSuccess: go,
  })
  const busy = saying.isPending || beginning.isPending
  const error = saying.error ?? beginning.error
  const [a, b] = (sources.data ?? []).map(({ alias }) => alias)
  const named = a !== undefined && b !== undefined ? `Reconcile ${a} with ${b}` : 'Reconcile invoices with payments'
  return (
    <section aria-label="New conversation" className="flex max-w-3xl flex-col gap-5">
      {!mayDraft && (
        <Note tone="warn">
          Your role may read: the assistant looks, tries and explains, and neither saves nor runs. Ask an administrator
          for the role preparer.
        </Note>
      )}
      <Composer
        placeholder="For example: reconcile the ledger with the bank statement, only 2026"
        working={false}
        sending={busy}
        onSend={(text) => saying.mutateAsync(text)}
        autoFocus
      />
      {error && <ErrorState error={error} small />}
      <div>
        <h2 className="mb-2 text-sm font-semibold">What can I ask?</h2>
        <ul className="grid gap-3 sm:grid-cols-3">
          {mayUpload && (
            <Example
              icon={<FileUp size={16} />}
              title="Reconcile two files"
              busy={busy}
              onClick={() => beginning.mutate()}
            >
              Upload them here: CSV, Excel, Parquet or JSON.
            </Example>
          )}
          <Example icon={<Waypoints size={16} />} title={named} busy={busy} onClick={() => saying.mutate(named)}>
            Sources by their names, as they are registered.
          </Example>
          <Example
            icon={<MessageCircleQuestionMark size={16} />}
            title="What can you do?"
            busy={busy}
            onClick={() => saying.mutate('What can you do')}
          >
            What it understands, and how it goes on from there.
          </Example>
        </ul>
      </div>
    </section>
  )
}

function Example(props: { icon: ReactNode; title: string; busy: boolean; onClick: () => void; children: ReactNode }) {
  const { icon, title, busy, onClick, children } = props
  return (
    <li>
      <button
        type="button"
        disabled={busy}
        onClick={onClick}
        className="card flex h-full w-full flex-col gap-1 p-3.5 text-left hover:border-line-strong hover:bg-hover disabled:cursor-progress disabled:opacity-60"
      >
        <span className="flex items-center gap-2 text-sm font-medium">
          <span className="text-accent">{icon}</span>
          <span className="min-w-0 break-words">{title}</span>
        </span>
        <span className="text-xs text-muted">{children}</span>
      </button>
    </li>
  )
}

const route = getRouteApi('/assistant/$id')

/** A conversation. */
export function AssistantChat() {
  const { id } = route.useParams()
  const chat = useQuery(chatQuery(id))
  const [asked, setAsked] = useState(false)
  const crumbs = [{ label: 'Assistant', to: '/assistant' }]
  const title = chat.data ? titleOf(chat.data.session) : 'Conversation'
  return (
    <Page
      title={title}
      crumbs={crumbs}
      fill
      aside={
        <IconButton
          label="About this conversation"
          className="2xl:hidden"
          disabled={!chat.data}
          onClick={() => setAsked(true)}
        >
          <SlidersHorizontal size={16} />
        </IconButton>
      }
      actions={
        <Button asChild className="max-sm:hidden">
          <Link to="/assistant">
            <Plus size={14} aria-hidden />
            New conversation
          </Link>
        </Button>
      }
    >
      <div className="grid min-h-0 flex-1 grid-cols-[13rem_minmax(0,1fr)_14rem] gap-6 max-2xl:grid-cols-[13rem_minmax(0,1fr)] max-lg:grid-cols-1">
        <nav aria-label="Conversations" className="min-h-0 overflow-y-auto max-lg:hidden">
          <Chats current={id} />
        </nav>
        {chat.isError ? (
          <ErrorState error={chat.error} onRetry={() => void chat.refetch()} />
        ) : chat.data ? (
          <>
            <Talk key={id} id={id} conversation={chat.data} />
            <aside aria-label="About this conversation" className="min-h-0 overflow-y-auto max-2xl:hidden">
              <AboutChat session={chat.data.session} />
            </aside>
            <Sheet open={asked} onOpenChange={setAsked} title="About this conversation">
              <AboutChat session={chat.data.session} />
            </Sheet>
          </>
        ) : (
          <Loading label="Loading the conversation">
            <div className="flex flex-col gap-3">
              <Skeleton className="h-5 w-full" />
              <Skeleton className="h-16 w-3/4" />
              <Skeleton className="h-40 w-full" />
            </div>
          </Loading>
        )}
      </div>
    </Page>
  )
}

function Talk({ id, conversation }: { id: string; conversation: Conversation }) {
  const { saying, clicking, stopping, lost, refused } = useConversation(id, conversation)
  const offline = useConnection() === 'lost'
  const { session, said, draft } = conversation
  const sending = saying.isPending || clicking.isPending
  const working = session.status === 'working'
  const busy = working || sending || offline
  const { mutate: clicks } = clicking
  const { mutate: says } = saying
  const answer = useCallback((card: string, how: Click) => clicks({ card, answer: how }), [clicks])
  const edit = useCallback((edited: string, text: string) => says({ text, edit: edited }), [says])
  const answering = useMemo(() => ({ id, busy, answer }), [id, busy, answer])
  const question = busy ? undefined : unanswered(conversation)
  const again = useMemo(() => question && (() => edit(question.id, question.text)), [question, edit])
  const log = useScroll(said.at(-1)?.id, draft?.text.length ?? 0)
  const error = saying.error ?? clicking.error ?? stopping.error ?? refused
  return (
    <section aria-label="Conversation" className="flex min-h-0 min-w-0 flex-col gap-3">
      <Phases session={session} />
      <div
        ref={log}
        role="log"
        aria-live="polite"
        aria-busy={working}
        aria-label="Messages"
        tabIndex={0}
        className="flex min-h-0 flex-1 flex-col gap-5 overflow-y-auto rounded-md py-1 pr-2 outline-offset-[-2px]"
      >
        <AnsweringContext value={answering}>
          {said.map((message, i) => (
            <Message
              key={message.id}
              said={message}
              onEdit={busy ? undefined : edit}
              onAgain={i === said.length - 1 ? again : undefined}
            />
          ))}
        </AnsweringContext>
        {(working || saying.isPending) && <Writing draft={draft} />}
      </div>
      {error && (
        <div role="alert">
          <Note tone="bad" title={asProblem(error).message}>
            {asProblem(error).hint}
          </Note>
        </div>
      )}
      {lost && !offline && (
        <Note tone="warn">The connection is interrupted. What is said meanwhile appears once it is back.</Note>
      )}
      <Composer
        placeholder={working ? 'The assistant is answering' : 'Write a message'}
        working={working}
        sending={sending || offline}
        onSend={(text) => saying.mutateAsync({ text })}
        onStop={() => stopping.mutate()}
      />
    </section>
  )
}

/** Keeps the end of the conversation in sight, or the beginning of a message that is longer than the page. */
function useScroll(last: string | undefined, written: number) {
  const log = useRef<HTMLDivElement>(null)
  const near = useRef(true)
  useLayoutEffect(() => {
    const box = log.current
    if (!box) return
    const watch = () => (near.current = box.scrollHeight - box.scrollTop - box.clientHeight < 80)
    box.addEventListener('scroll', watch, { passive: true })
    return () => box.removeEventListener('scroll', watch)
  }, [])
  useLayoutEffect(() => {
    const box = log.current
    const messages = box?.querySelectorAll<HTMLElement>('[data-said]')
    const message = messages?.[messages.length - 1]
    if (box && message) box.scrollTop = Math.min(box.scrollHeight, message.offsetTop - box.offsetTop - 8)
  }, [last])
  useLayoutEffect(() => {
    const box = log.current
    if (box && near.current && written > 0) box.scrollTop = box.scrollHeight
  }, [written])
  return log
}

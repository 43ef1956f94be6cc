import { api, type Schema } from '@/lib/api'
import { data } from '@/lib/http'
import { meQuery, useMe } from '@/lib/me'
import { asProblem } from '@/lib/problem'
import { Button, IconButton } from '@/ui/button'
import { AlertDialog } from '@/ui/dialog'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { ErrorState } from '@/ui/states'
import { Badge, Note } from '@/ui/status'
import { Table, type TableColumn } from '@/ui/table'
import { toast } from '@/ui/toast'
import { DateTime, KeyValue } from '@/ui/values'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { LogOut } from 'lucide-react'
import { useState, type SubmitEvent } from 'react'
import { browserOf } from './browser'
import { Panel } from './panel'
import { roles } from './roles'

type Session = Schema<'SessionItem'>

/** Who one is, one's password, and where one is signed in. */
export function OwnAccount() {
  const me = useMe()
  const role = roles.find(({ value }) => value === me.role)
  return (
    <>
      <Panel title="You">
        <KeyValue
          items={[
            { label: 'Name', value: me.name || '–' },
            { label: 'E-mail address', value: me.email },
            {
              label: 'Role',
              value: (
                <>
                  {role?.label}
                  <span className="text-muted">: {role?.hint}</span>
                </>
              ),
            },
          ]}
        />
      </Panel>
      <Password />
      <Sessions />
    </>
  )
}

function Password() {
  const me = useMe()
  const queries = useQueryClient()
  const [current, setCurrent] = useState('')
  const [password, setPassword] = useState('')
  const change = useMutation({
    mutationFn: () => data(api.POST('/api/auth/password', { body: { password, ...(me.has_password && { current }) } })),
    onSuccess: (now) => {
      setCurrent('')
      setPassword('')
      queries.setQueryData(meQuery.queryKey, { ...now, permissions: now.permissions ?? [] })
      void queries.invalidateQueries({ queryKey: ['sessions'] })
      toast.done('The password is changed', { detail: 'You are signed out everywhere else.' })
    },
  })
  const problem = change.error ? asProblem(change.error) : undefined
  function submit(event: SubmitEvent) {
    event.preventDefault()
    change.mutate()
  }
  return (
    <Panel
      title="Password"
      about={
        me.has_password
          ? 'A change signs you out everywhere else.'
          : 'You have none, and sign in by other means. With one you can sign in with your e-mail address as well.'
      }
    >
      <form onSubmit={submit} className="flex max-w-sm flex-col gap-3">
        {problem && problem.faults.length === 0 && (
          <div role="alert">
            <Note tone="bad">{problem.message}</Note>
          </div>
        )}
        <input type="email" autoComplete="username" value={me.email} readOnly hidden />
        {me.has_password && (
          <Field label="Current password" error={problem?.faultOf('current')}>
            <Input
              type="password"
              autoComplete="current-password"
              required
              value={current}
              onChange={(event) => setCurrent(event.target.value)}
            />
          </Field>
        )}
        <Field
          label="New password"
          hint="At least 10 characters. A few unrelated words in a row make a good one."
          error={problem?.faultOf('password')}
        >
          <Input
            type="password"
            autoComplete="new-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
        <Button type="submit" className="self-start" busy={change.isPending}>
          {me.has_password ? 'Change the password' : 'Set a password'}
        </Button>
      </form>
    </Panel>
  )
}

function Sessions() {
  const queries = useQueryClient()
  const sessions = useQuery({
    queryKey: ['sessions'],
    queryFn: ({ signal }) => data(api.GET('/api/auth/sessions', { signal })),
  })
  const end = useMutation({
    mutationFn: (session: Session) =>
      data(api.DELETE('/api/auth/sessions/{id}', { params: { path: { id: session.id } } })),
    onError: (cause) => toast.failed('Signing out there', cause),
    onSettled: () => queries.invalidateQueries({ queryKey: ['sessions'] }),
  })
  const everywhere = () =>
    data(api.DELETE('/api/auth/sessions')).then(
      () => location.assign('/sign-in'),
      (cause: unknown) => toast.failed('Signing out everywhere', cause),
    )
  const columns: TableColumn<Session>[] = [
    {
      id: 'where',
      header: 'Where',
      grows: true,
      cell: (s) => (
        <span className="flex flex-wrap items-center gap-x-2 whitespace-nowrap" title={s.user_agent}>
          {browserOf(s.user_agent)}
          {s.current && <Badge tone="accent">This one</Badge>}
        </span>
      ),
    },
    { id: 'address', header: 'Address', from: 'lg', cell: (s) => <span className="num text-muted">{s.address}</span> },
    {
      id: 'since',
      header: 'Since',
      numeric: true,
      from: 'lg',
      cell: (s) => <DateTime value={s.created_at} relative />,
    },
    { id: 'seen', header: 'Last used', numeric: true, cell: (s) => <DateTime value={s.seen_at} relative /> },
    {
      id: 'end',
      header: '',
      numeric: true,
      cell: (s) =>
        !s.current && (
          <IconButton small label="Sign out there" onClick={() => end.mutate(s)}>
            <LogOut size={13} />
          </IconButton>
        ),
    },
  ]
  return (
    <Panel
      title="Where you are signed in"
      flush
      actions={
        <AlertDialog
          trigger={<Button small>Sign out everywhere</Button>}
          title="Sign out everywhere?"
          description="Also here: you will be asked to sign in again."
          action="Sign out everywhere"
          onConfirm={everywhere}
        />
      }
    >
      {sessions.error && !sessions.data ? (
        <ErrorState small error={sessions.error} onRetry={() => void sessions.refetch()} />
      ) : (
        <Table
          label="Sessions"
          columns={columns}
          rows={sessions.data === undefined ? undefined : (sessions.data ?? [])}
          rowKey={(s) => s.id}
          expected={2}
        />
      )}
    </Panel>
  )
}

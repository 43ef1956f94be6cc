import { Problem } from './problem'

/**
 * PUTs a file to a signed URL. XMLHttpRequest, because fetch does not tell how far an upload is. The URL may be of
 * an object store, so that no credential of the app goes with it.
 */
export function put(
  url: string,
  file: Blob,
  headers: Record<string, string>,
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const cancel = () => request.abort()
    const failed = (status: number, detail: string) =>
      reject(
        new Problem({
          status,
          title: 'The upload failed',
          detail,
          hint: 'Try again. A link to upload to is good for some minutes only.',
        }),
      )
    request.upload.onprogress = (event) =>
      progress(event.lengthComputable && event.total > 0 ? event.loaded / event.total : 0)
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve()
      else failed(request.status, `The storage refused the file (${request.status}).`)
    }
    request.onerror = () => failed(0, 'The storage could not be reached.')
    request.onabort = () => reject(new DOMException('The upload was cancelled.', 'AbortError'))
    request.onloadend = () => signal.removeEventListener('abort', cancel)
    request.open('PUT', url)
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    signal.addEventListener('abort', cancel)
    if (signal.aborted) cancel()
    else request.send(file)
  })
}

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"kalla"
	"kalla/internal/machine"
	"kalla/internal/objects"
	"kalla/internal/problem"
	"kalla/internal/state"
)

const (
	// sendGrace and slowest are how long a file may take: so long, and then a
	// second for so many bytes. Who is slower is cut off.
	sendGrace = 15 * time.Second
	slowest   = 16 << 10
	// room is what is left of the disk for everything else, in bytes, and roomEvery how often it is looked at.
	room      = 256 << 20
	roomEvery = 64 << 20
	partName  = ".part"
)

// receives describes the body of an operation that reads it as it comes.
func receives(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusNoContent
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
	}}
	return op
}

type uploadContent struct {
	UploadPath
	Expires   string `query:"expires" maxLength:"20"`
	Signature string `query:"signature" maxLength:"500"`

	request *http.Request
	writer  http.ResponseWriter
}

// Resolve takes hold of the connection, whose deadlines the file's size decides.
func (in *uploadContent) Resolve(ctx huma.Context) []error {
	in.request, in.writer = humago.Unwrap(ctx)
	return nil
}

// receive stores a file that is sent to a signed URL, once. The signature is
// all that it takes: who has the URL may send the file.
func (s *Server) receive(ctx context.Context, in *uploadContent) (*none, error) {
	until, err := strconv.ParseInt(in.Expires, 10, 64)
	if err != nil || !s.store.Signed(in.Signature, "upload", in.UploadID, in.Expires) || objects.IsURI(s.cfg.Storage) {
		return nil, problem.New(http.StatusForbidden, "receiving the upload: the URL is not one that was given out", "get one from POST /api/uploads/presign, and use it as it is")
	}
	if !s.now().Before(time.Unix(until, 0)) {
		return nil, problem.New(http.StatusForbidden, "receiving the upload: the time of the URL is over", "get a new one from POST /api/uploads/presign")
	}
	u, err := s.store.Upload(ctx, in.UploadID)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if u.Status != state.UploadPending {
		return nil, sentAlready()
	}
	if in.request.ContentLength > s.cfg.MaxUpload {
		return nil, s.tooLarge()
	}
	if err := s.receiveFile(in, s.localPath(u)); err != nil {
		return nil, s.problem(ctx, err)
	}
	s.logOf(ctx).Info("upload received", "upload_id", u.ID)
	return nil, nil
}

func sentAlready() error {
	return problem.New(http.StatusConflict, "receiving the upload: a file was sent already, or is being sent", "get a new URL from POST /api/uploads/presign for another file")
}

// receiveFile writes a file beside its place, makes it durable and renames it.
// The file beside is also the claim of the only one who writes; what a killed
// process leaves of it goes when the upload expires.
func (s *Server) receiveFile(in *uploadContent, file string) (err error) {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return receiving(in.UploadID, err)
	}
	part := filepath.Join(dir, partName)
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if errors.Is(err, os.ErrExist) {
		return sentAlready()
	}
	if err != nil {
		return receiving(in.UploadID, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(part)
		}
	}()
	if _, err := os.Stat(file); err == nil {
		return sentAlready()
	}
	if err := s.copyBody(f, in, dir); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return receiving(in.UploadID, err)
	}
	if err := os.Rename(part, file); err != nil {
		return receiving(in.UploadID, err)
	}
	return receiving(in.UploadID, syncDir(dir))
}

// syncDir makes the names in a folder durable, which Windows does by itself.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// copyBody writes the body of a request to a file, within all bounds.
func (s *Server) copyBody(f *os.File, in *uploadContent, dir string) error {
	conn := http.NewResponseController(in.writer)
	start := time.Now()
	length := max(in.request.ContentLength, 0)
	buffer := make([]byte, 256<<10)
	checked := int64(-roomEvery)
	for received := int64(0); ; {
		if received-checked >= roomEvery {
			free, err := machine.DiskFree(dir)
			if err != nil {
				return receiving(in.UploadID, err)
			}
			if free < max(length-received, 0)+room {
				return noRoom()
			}
			checked = received
		}
		deadline := start.Add(sendGrace + time.Duration(received/slowest)*time.Second)
		_ = conn.SetReadDeadline(deadline)                  // a recorder in tests has no deadlines
		_ = conn.SetWriteDeadline(deadline.Add(answerTime)) // the guard's is for answers to short bodies
		n, err := in.request.Body.Read(buffer)
		if received += int64(n); received > s.cfg.MaxUpload {
			return s.tooLarge()
		}
		if _, writeErr := f.Write(buffer[:n]); writeErr != nil {
			return receiving(in.UploadID, writeErr)
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = conn.SetReadDeadline(time.Time{})
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return problem.New(http.StatusRequestTimeout, fmt.Sprintf("receiving the upload: it came at less than %d KB a second", slowest>>10), "try again on a better connection")
		case err != nil:
			return problem.New(http.StatusBadRequest, "receiving the upload: the connection broke off before the end of the file", "send it again to the same URL")
		}
	}
}

func noRoom() error {
	return problem.New(http.StatusInsufficientStorage, "receiving the upload: there is no room for the file on the disk of the app", "make room, or keep uploads in a bucket (--storage)")
}

func receiving(id string, err error) error {
	switch {
	case err == nil:
		return nil
	case machine.DiskFull(err):
		return noRoom()
	}
	return &kalla.Error{Code: kalla.CodeInternal, Op: "receiving the upload", Where: id, Err: err}
}

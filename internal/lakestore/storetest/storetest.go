// Package storetest is an object store for tests: one bucket in memory, and faults in front of it.
package storetest

import (
	"crypto/md5" //nolint:gosec // Content-MD5
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Store has one bucket, called lake, and one key, called key. It makes the checks that a store makes of a body.
type Store struct {
	*httptest.Server
	// Fault sees a request before the store does; true: it has answered. Set it before the first request.
	Fault func(f *Store, w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	objects  map[string][]byte            // guarded by mu
	headers  map[string]http.Header       // guarded by mu; of the request that made the object
	written  map[string]time.Time         // guarded by mu
	uploads  map[string]map[string][]byte // guarded by mu; id -> part -> body
	begun    map[string]time.Time         // guarded by mu; of uploads; the key is in the id
	requests map[string]int               // guarded by mu; by method and kind
}

// New starts a store that ends with the test.
func New(t *testing.T) *Store {
	f := &Store{objects: map[string][]byte{}, headers: map[string]http.Header{}, written: map[string]time.Time{}, uploads: map[string]map[string][]byte{}, begun: map[string]time.Time{}, requests: map[string]int{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// Location is the URL of a lake in the bucket, with more appended to the query.
func (f *Store) Location(more string) string {
	return "s3://lake/some/prefix?path_style=true&endpoint=" + f.URL + more
}

// Names lists the objects.
func (f *Store) Names() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.objects {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Put adds an object.
func (f *Store) Put(name string, content []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects[name] = content
}

// Remove deletes the objects below a prefix.
func (f *Store) Remove(prefix string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.objects {
		if strings.HasPrefix(name, prefix) {
			delete(f.objects, name)
		}
	}
}

// Object is the content of an object, nil if there is none.
func (f *Store) Object(name string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.objects[name]
}

// Header is a header of the request that made an object.
func (f *Store) Header(name, key string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.headers[name].Get(key)
}

// Pending is the number of objects whose parts were begun and not completed.
func (f *Store) Pending() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.uploads)
}

// Count returns the number of earlier requests of a kind, and counts this one.
func (f *Store) Count(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests[kind]++
	return f.requests[kind] - 1
}

// Refuse answers with an error of the protocol.
func Refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>told by the test</Message></Error>", code)
}

// ServeHTTP implements http.Handler.
func (f *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.Fault != nil && f.Fault(f, w, r) {
		return
	}
	f.Serve(w, r)
}

// Serve answers a request like the store.
func (f *Store) Serve(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	body, err := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	sum, sha := md5.Sum(body), sha256.Sum256(body) //nolint:gosec // Content-MD5
	switch digest := r.Header.Get("X-Amz-Content-Sha256"); {
	case err != nil:
		return
	case bucket != "lake":
		Refuse(w, http.StatusNotFound, "NoSuchBucket")
		return
	case !strings.Contains(r.Header.Get("Authorization"), "Credential=key/"):
		Refuse(w, http.StatusForbidden, "InvalidAccessKeyId")
		return
	case r.Header.Get("Content-Md5") != "" && r.Header.Get("Content-Md5") != base64.StdEncoding.EncodeToString(sum[:]):
		Refuse(w, http.StatusBadRequest, "BadDigest")
		return
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") == "" && digest != hex.EncodeToString(sha[:]):
		Refuse(w, http.StatusBadRequest, "XAmzContentSHA256Mismatch")
		return
	}
	switch {
	case r.Method == http.MethodPut && q.Has("partNumber"):
		f.part(w, q.Get("uploadId"), q.Get("partNumber"), body)
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		f.copy(w, r, key)
	case r.Method == http.MethodPut:
		if _, there := f.objects[key]; there && r.Header.Get("If-None-Match") == "*" {
			Refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
		f.objects[key], f.headers[key], f.written[key] = body, r.Header, time.Now()
		w.Header().Set("ETag", `"1"`)
	case r.Method == http.MethodPost && q.Has("uploads"):
		f.begin(w, r, key)
	case r.Method == http.MethodPost:
		f.complete(w, q.Get("uploadId"), key)
	case r.Method == http.MethodDelete && !q.Has("uploadId"):
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodDelete:
		delete(f.uploads, q.Get("uploadId"))
		w.WriteHeader(http.StatusNoContent)
	case q.Has("uploads"):
		f.listUploads(w)
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && key != "":
		content, there := f.objects[key]
		if !there {
			Refuse(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("ETag", `"1"`)
		_, _ = w.Write(content)
	default:
		f.list(w, q.Get("prefix"), q.Get("continuation-token"), q.Get("max-keys"))
	}
}

func (f *Store) copy(w http.ResponseWriter, r *http.Request, key string) {
	source, err := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
	from := strings.TrimPrefix(strings.TrimPrefix(source, "/"), "lake/")
	content, there := f.objects[from]
	if err != nil || !there {
		Refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	f.objects[key], f.headers[key], f.written[key] = content, r.Header, time.Now()
	_, _ = io.WriteString(w, `<CopyObjectResult><ETag>"1"</ETag></CopyObjectResult>`)
}

func (f *Store) begin(w http.ResponseWriter, r *http.Request, key string) {
	id := fmt.Sprint(len(f.begun), ":", key)
	f.uploads[id], f.begun[id], f.headers[key] = map[string][]byte{}, time.Now(), r.Header
	_, _ = fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
}

func (f *Store) part(w http.ResponseWriter, id, number string, body []byte) {
	if f.uploads[id] == nil {
		Refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	f.uploads[id][number] = body
	w.Header().Set("ETag", `"part`+number+`"`)
}

func (f *Store) complete(w http.ResponseWriter, id, key string) {
	parts := f.uploads[id]
	if parts == nil {
		Refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	var all []byte
	for i := 1; i <= len(parts); i++ {
		all = append(all, parts[strconv.Itoa(i)]...)
	}
	f.objects[key], f.written[key] = all, time.Now()
	delete(f.uploads, id)
	_, _ = io.WriteString(w, `<CompleteMultipartUploadResult><Bucket>lake</Bucket><ETag>"all"</ETag></CompleteMultipartUploadResult>`)
}

func (f *Store) listUploads(w http.ResponseWriter) {
	type upload struct {
		Key, UploadId string //nolint:revive // the protocol's name
		Initiated     time.Time
	}
	var result struct {
		XMLName xml.Name `xml:"ListMultipartUploadsResult"`
		Upload  []upload
	}
	for id := range f.uploads {
		_, key, _ := strings.Cut(id, ":")
		result.Upload = append(result.Upload, upload{key, id, f.begun[id]})
	}
	_ = xml.NewEncoder(w).Encode(result)
}

func (f *Store) list(w http.ResponseWriter, prefix, after, most string) {
	var keys []string
	for key := range f.objects {
		if strings.HasPrefix(key, prefix) && key > after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	limit, err := strconv.Atoi(most)
	if err != nil || limit == 0 {
		limit = 2 // pages
	}
	truncated := len(keys) > limit
	keys = keys[:min(len(keys), limit)]
	type entry struct {
		Key          string
		Size         int
		LastModified time.Time
	}
	result := struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string
		Contents              []entry
	}{IsTruncated: truncated}
	for _, key := range keys {
		result.Contents = append(result.Contents, entry{key, len(f.objects[key]), f.written[key].UTC()})
		result.NextContinuationToken = key
	}
	_ = xml.NewEncoder(w).Encode(result)
}

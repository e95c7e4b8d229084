// Package quickjs runs JavaScript (ES2023) inside the process, without cgo.
//
// The engine is QuickJS-ng, compiled to WebAssembly and from there to Go (qjs/, see
// generate.sh). So each engine's memory is one byte slice that it cannot leave, engines
// share nothing, a runaway script can be interrupted and a greedy one runs out of its
// own memory. And an engine can be put back: [Build] runs the scripts once and keeps
// the memory they leave behind; every [VM] starts as a copy of that [Image], and
// [VM.Reset] makes it one again. What a call does to its globals is gone after it.
package quickjs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/pylon-go/pylon/internal/quickjs/qjs"
)

// Options of an engine; zero values get the defaults.
type Options struct {
	// Memory bounds what scripts may allocate, in bytes; 64 MiB.
	Memory int
	// Stack bounds the depth of calls, in bytes of the engine's own stack; 256 KiB,
	// about 1000 calls. The engine's frames in Go are some ten times larger.
	Stack int
	// Time bounds how long Build may run the scripts; no limit when zero.
	Time time.Duration
	// Now is what Date sees; the real time when nil.
	Now func() time.Time
}

// The engine's memory begins with its stack, which holds nothing between two calls.
// An image leaves it out.
const (
	stackEnd = 1 << 20
	maxStack = stackEnd - 64<<10
)

// HostFunc answers the scripts' calls of the global function __host. What it returns
// is nil, a bool, a float64, a string or a []byte (an ArrayBuffer there); an error is
// thrown. It may not call the VM.
type HostFunc func(vm *VM, args Args) (any, error)

var (
	// ErrInterrupted says that the script was stopped by [VM.Interrupt].
	ErrInterrupted = errors.New("interrupted")
	// ErrBroken says that the engine itself failed. It cannot be used any more.
	ErrBroken = errors.New("the JavaScript engine failed")
)

// Error is what a script threw.
type Error struct {
	// Name is that of the error's class; empty when something else was thrown.
	Name string
	// Message, or the thrown value as text.
	Message string
	Stack   string
}

func (e *Error) Error() string {
	if e.Name == "" {
		return e.Message
	}
	return e.Name + ": " + e.Message
}

// OutOfMemory reports whether the script hit the memory limit.
func (e *Error) OutOfMemory() bool {
	return e.Name == "InternalError" && e.Message == "out of memory"
}

// Script is a piece of JavaScript and the name it has in stack traces.
type Script struct{ Name, Code string }

// Image is the memory of an engine that ran its scripts.
type Image struct {
	opts   Options
	memory []byte
	guest  map[string]int32
	// scratch is that of the engine it was taken from: its place is the same in a copy.
	scratch int32
}

// VM is an engine. One goroutine at a time may use it, but for Interrupt.
type VM struct {
	// Host answers __host; set before the first Call.
	Host HostFunc

	m         *qjs.Module
	image     *Image
	now       func() time.Time
	interrupt atomic.Bool
	broken    bool
	scratch   int32 // four bytes in the engine's memory, for numbers it answers
	rejected  int   // promises rejected without anybody listening
	reason    string
}

// Build makes an engine, runs the scripts in it and keeps the result. The functions
// that the scripts put into the global object __guest are those that [VM.Call] knows;
// the global is then removed. __host does not work while the scripts run unless host
// is given.
func Build(o Options, host HostFunc, scripts ...Script) (*Image, error) {
	if o.Memory == 0 {
		o.Memory = 64 << 20
	}
	if o.Stack == 0 {
		o.Stack = 256 << 10
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	vm := newVM(o)
	vm.Host = host
	im := &Image{opts: o, guest: map[string]int32{}}
	if o.Time > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), o.Time)
		defer cancel()
		defer vm.Until(ctx)()
	}
	err := vm.guarded(func() error {
		vm.m.X_initialize()
		if vm.m.Xqjs_init() != 0 {
			return errors.New("the JavaScript engine did not start")
		}
		vm.m.Xqjs_set_memory_limit(int32(o.Memory))
		vm.m.Xqjs_set_max_stack_size(int32(min(o.Stack, maxStack)))
		vm.m.Xqjs_set_interrupt_handler(1)
		vm.m.Xqjs_set_promise_rejection_handler(1)
		vm.scratch = vm.m.Xwasm_malloc(4)
		name, n := vm.put("__host")
		fn := vm.m.Xqjs_new_host_function(name, n, 0)
		vm.setGlobal("__host", fn)
		for _, s := range scripts {
			if err := vm.eval(s); err != nil {
				return err
			}
		}
		if vm.rejected > 0 {
			return &Error{Name: "UnhandledRejection", Message: vm.reason}
		}
		return vm.captureGuest(im)
	})
	if err != nil {
		return nil, err
	}
	// Garbage of a call is thrown away with the call, so collecting it before it is
	// large would be work for nothing.
	vm.m.Xqjs_run_gc()
	vm.m.Xqjs_set_gc_threshold(int32(o.Memory / 8))
	im.memory = append([]byte(nil), (*vm.m.Slice())[stackEnd:]...)
	im.scratch = vm.scratch
	return im, nil
}

// captureGuest keeps handles of the functions in __guest. They are part of the memory,
// so they mean the same in every copy of it.
func (vm *VM) captureGuest(im *Image) error {
	global := vm.m.Xqjs_get_global()
	name, _ := vm.put("__guest")
	guest := vm.m.Xqjs_get_prop_string(global, name)
	if vm.m.Xqjs_is_undefined(guest) != 0 {
		return nil
	}
	if err := vm.eval(Script{"guest", "globalThis.__keys = Object.keys(globalThis.__guest).join(' ')"}); err != nil {
		return err
	}
	keys, _ := vm.put("__keys")
	list := vm.text(vm.m.Xqjs_get_prop_string(global, keys))
	for len(list) > 0 {
		key := list
		for i := range list {
			if list[i] == ' ' {
				key = list[:i]
				break
			}
		}
		list = list[min(len(key)+1, len(list)):]
		p, _ := vm.put(key)
		im.guest[key] = vm.m.Xqjs_get_prop_string(guest, p)
		vm.m.Xwasm_free(p)
	}
	return vm.eval(Script{"guest", "delete globalThis.__keys; delete globalThis.__guest"})
}

// Size is the memory of a fresh engine in bytes.
func (im *Image) Size() int { return stackEnd + len(im.memory) }

// New makes an engine from the image.
func (im *Image) New() *VM {
	vm := newVM(im.opts)
	vm.image, vm.scratch = im, im.scratch
	mem := make([]byte, stackEnd+len(im.memory))
	copy(mem[stackEnd:], im.memory)
	*vm.m.Slice() = mem
	return vm
}

func newVM(o Options) *VM {
	vm := &VM{now: o.Now}
	vm.m = qjs.New((*env)(vm), (*wasi)(vm))
	return vm
}

// Reset makes the engine a copy of its image again, whatever happened in it. It does
// not mend a broken one.
func (vm *VM) Reset() {
	mem := *vm.m.Slice()
	size := stackEnd + len(vm.image.memory)
	if cap(mem) > size+4<<20 { // a call needed much; the next one may not
		mem = append(make([]byte, 0, size), mem[:size]...)
	}
	mem = mem[:size]
	vm.putBack(mem[stackEnd:])
	*vm.m.Slice() = mem
	vm.interrupt.Store(false)
	vm.rejected = 0
	vm.Host = nil
}

// putBack copies the image over those pages of mem that were written since the last time.
func (vm *VM) putBack(mem []byte) {
	dirty, image := &vm.m.Dirty, vm.image.memory
	const pageSize = 1 << qjs.PageBits
	for at := 0; at < len(image); at += 8 * pageSize { // eight flags at a time
		first := (stackEnd + at) >> qjs.PageBits % len(dirty)
		if binary.NativeEndian.Uint64(dirty[first:first+8]) == 0 {
			continue
		}
		for i := range 8 {
			if from := at + i*pageSize; dirty[first+i] != 0 && from < len(image) {
				// A store may have crossed into the next page.
				copy(mem[from:], image[from:min(from+pageSize+8, len(image))])
			}
		}
		if len(image) <= len(dirty)*pageSize { // otherwise flags stand for several pages
			clear(dirty[first : first+8])
		}
	}
	if len(image) > len(dirty)*pageSize {
		clear(dirty[:])
	}
}

// Save is the engine's state between two calls, for Restore.
func (vm *VM) Save() []byte { return append([]byte(nil), (*vm.m.Slice())[stackEnd:]...) }

// Restore puts the engine back to what Save saw.
func (vm *VM) Restore(state []byte) {
	mem := (*vm.m.Slice())[:stackEnd]
	*vm.m.Slice() = append(mem, state...)
	vm.rejected = 0
}

// Interrupt stops the script, now or as soon as it runs, until the next Reset. Any
// goroutine may call it. The script cannot catch it.
func (vm *VM) Interrupt() { vm.interrupt.Store(true) }

// Kill ends an engine that an interrupt does not reach: a few built-ins go through
// billions of elements without looking up. It takes the memory away under the engine, so
// that the next access fails; the engine is broken then. Call it again while the call
// has not ended, since an engine that just gets more memory may miss it.
//
// The engine's goroutine does not synchronise with this store, on purpose: nothing else
// would stop it. Only the length shrinks, in one word, so whatever it reads next is
// still its own memory or out of bounds.
func (vm *VM) Kill() {
	vm.interrupt.Store(true)
	length := unsafe.Add(unsafe.Pointer(vm.m.Slice()), unsafe.Sizeof(uintptr(0)))
	atomic.StoreUintptr((*uintptr)(length), 0)
}

// Until interrupts the script when ctx ends, and kills the engine when that does not
// help. Call the function it answers when the script has ended.
func (vm *VM) Until(ctx context.Context) (ended func()) {
	var mu sync.Mutex
	over, done := false, make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		act, wait := vm.Interrupt, killAfter
		for {
			mu.Lock()
			if over {
				mu.Unlock()
				return
			}
			act()
			mu.Unlock()
			select {
			case <-done:
				return
			case <-time.After(wait):
				act, wait = vm.Kill, killAgain
			}
		}
	})
	return func() {
		stop()
		mu.Lock()
		over = true
		mu.Unlock()
		close(done)
	}
}

// How long a script may take to notice the interrupt: built-ins look up after seconds
// in the worst cases that end at all.
const (
	killAfter = time.Second
	killAgain = 50 * time.Millisecond
)

// Interrupted reports whether Interrupt was called since the last Reset.
func (vm *VM) Interrupted() bool { return vm.interrupt.Load() }

// Broken reports whether the engine failed and must be thrown away.
func (vm *VM) Broken() bool { return vm.broken }

// Rejected reports whether a promise was rejected that nobody listens to, and why the
// last one was.
func (vm *VM) Rejected() (reason string, rejected bool) { return vm.reason, vm.rejected > 0 }

// Call calls a function of __guest with strings, float64s, bools, []bytes or nils,
// and then runs everything that became ready, until nothing moves any more.
func (vm *VM) Call(name string, args ...any) error {
	fn, ok := vm.image.guest[name]
	if !ok {
		return fmt.Errorf("no guest function %q", name)
	}
	return vm.guarded(func() error {
		m := vm.m
		argv := int32(0)
		if len(args) > 0 {
			if argv = m.Xwasm_malloc(int32(4 * len(args))); argv == 0 {
				return errMemory
			}
			for i, a := range args {
				v := vm.value(a)
				if v == 0 {
					return errMemory
				}
				binary.LittleEndian.PutUint32((*m.Slice())[int(argv)+4*i:], uint32(v))
				m.Mark(argv+int32(4*i), 4)
			}
		}
		result := m.Xqjs_call(fn, m.Xqjs_get_undefined(), int32(len(args)), argv)
		failed := m.Xqjs_is_exception(result) != 0
		if argv != 0 {
			for i := range args {
				m.Xqjs_free_value(int32(binary.LittleEndian.Uint32((*m.Slice())[int(argv)+4*i:])))
			}
			m.Xwasm_free(argv)
		}
		m.Xqjs_free_value(result)
		if failed {
			return vm.thrown()
		}
		return vm.drain()
	})
}

var errMemory = &Error{Name: "InternalError", Message: "out of memory"}

// drain runs what is ready.
func (vm *VM) drain() error {
	for vm.m.Xqjs_is_job_pending() != 0 {
		if vm.m.Xqjs_execute_pending_job() < 0 {
			return vm.thrown()
		}
		if vm.interrupt.Load() {
			return ErrInterrupted
		}
	}
	return nil
}

// thrown is the error of what was thrown last.
func (vm *VM) thrown() error {
	if vm.interrupt.Load() {
		vm.m.Xqjs_free_value(vm.m.Xqjs_get_exception())
		return ErrInterrupted
	}
	exc := vm.m.Xqjs_get_exception()
	defer vm.m.Xqjs_free_value(exc)
	if vm.m.Xqjs_is_error(exc) == 0 {
		return &Error{Message: vm.text(exc)}
	}
	return &Error{Name: vm.property(exc, "name"), Message: vm.property(exc, "message"), Stack: vm.property(exc, "stack")}
}

func (vm *VM) property(object int32, name string) string {
	p, _ := vm.put(name)
	v := vm.m.Xqjs_get_prop_string(object, p)
	vm.m.Xwasm_free(p)
	defer vm.m.Xqjs_free_value(v)
	return vm.text(v)
}

func (vm *VM) eval(s Script) error {
	code, n := vm.put(s.Code)
	name, _ := vm.put(s.Name)
	v := vm.m.Xqjs_eval(code, n, name, 0)
	vm.m.Xwasm_free(code)
	vm.m.Xwasm_free(name)
	failed := vm.m.Xqjs_is_exception(v) != 0
	vm.m.Xqjs_free_value(v)
	if failed {
		return vm.thrown()
	}
	return vm.drain()
}

// guarded runs what enters the engine. A panic there is the engine's end: memory out
// of its bounds, or a bug.
func (vm *VM) guarded(f func() error) (err error) {
	if vm.broken {
		return ErrBroken
	}
	defer func() {
		if p := recover(); p != nil {
			vm.broken = true
			err = fmt.Errorf("%w: %v\n%s", ErrBroken, p, debug.Stack())
		}
	}()
	return f()
}

// put copies a string into the engine's memory, with a zero byte after it.
func (vm *VM) put(s string) (ptr, n int32) {
	ptr = vm.m.Xwasm_malloc(int32(len(s) + 1))
	if ptr == 0 {
		panic("out of memory in the engine's own work")
	}
	mem := *vm.m.Slice()
	copy(mem[ptr:], s)
	mem[int(ptr)+len(s)] = 0
	vm.m.Mark(ptr, len(s)+1)
	return ptr, int32(len(s))
}

// value makes a JavaScript value; 0 when there is no memory.
func (vm *VM) value(a any) int32 {
	m := vm.m
	switch a := a.(type) {
	case nil:
		return m.Xqjs_get_undefined()
	case bool:
		if a {
			return m.Xqjs_get_true()
		}
		return m.Xqjs_get_false()
	case float64:
		return m.Xqjs_new_number(a)
	case string:
		return copied(vm, a, m.Xqjs_new_string)
	case []byte:
		return copied(vm, a, m.Xqjs_new_array_buffer)
	}
	panic(fmt.Sprintf("a %T cannot be given to JavaScript", a))
}

func copied[T string | []byte](vm *VM, data T, make func(ptr, n int32) int32) int32 {
	p := vm.m.Xwasm_malloc(int32(len(data)))
	if p == 0 && len(data) > 0 {
		return 0
	}
	copy((*vm.m.Slice())[p:], data)
	vm.m.Mark(p, len(data))
	v := make(p, int32(len(data)))
	vm.m.Xwasm_free(p)
	if vm.m.Xqjs_is_exception(v) != 0 {
		vm.m.Xqjs_free_value(vm.m.Xqjs_get_exception())
		return 0
	}
	return v
}

// text is a value as a string; "" when it has none.
func (vm *VM) text(v int32) string {
	p := vm.m.Xqjs_get_string_len(v, vm.scratch)
	if p == 0 {
		vm.m.Xqjs_free_value(vm.m.Xqjs_get_exception())
		return ""
	}
	mem := *vm.m.Slice()
	n := int32(binary.LittleEndian.Uint32(mem[vm.scratch:]))
	s := string(mem[p : p+n])
	vm.m.Xqjs_free_cstring(p)
	return s
}

func (vm *VM) setGlobal(name string, v int32) {
	p, _ := vm.put(name)
	vm.m.Xqjs_set_prop_string(vm.m.Xqjs_get_global(), p, v)
	vm.m.Xwasm_free(p)
}

// Args are what a script gave to __host. They are valid until the HostFunc returns.
type Args struct {
	vm   *VM
	argc int32
	argv int32
}

func (a Args) Len() int { return int(a.argc) }

func (a Args) handle(i int) int32 {
	if i >= int(a.argc) {
		return a.vm.m.Xqjs_get_undefined()
	}
	return int32(binary.LittleEndian.Uint32((*a.vm.m.Slice())[int(a.argv)+4*i:]))
}

// Given reports whether the argument is there and neither undefined nor null.
func (a Args) Given(i int) bool {
	h := a.handle(i)
	return a.vm.m.Xqjs_is_undefined(h) == 0 && a.vm.m.Xqjs_is_null(h) == 0
}

// String is the argument as a string.
func (a Args) String(i int) string { return a.vm.text(a.handle(i)) }

// Text is the argument when it is a string, "" when it is anything else.
func (a Args) Text(i int) string {
	h := a.handle(i)
	if a.vm.m.Xqjs_is_string(h) == 0 {
		return ""
	}
	return a.vm.text(h)
}

// Number is the argument as a number, 0 for what is none.
func (a Args) Number(i int) float64 {
	h := a.handle(i)
	if a.vm.m.Xqjs_is_number(h) == 0 {
		return 0
	}
	return a.vm.m.Xqjs_get_float64(h)
}

// Bool is the argument as a bool.
func (a Args) Bool(i int) bool { return a.vm.m.Xqjs_get_bool(a.handle(i)) != 0 }

// Bytes is a copy of an ArrayBuffer, nil for anything else.
func (a Args) Bytes(i int) []byte {
	h := a.handle(i)
	m := a.vm.m
	if m.Xqjs_is_array_buffer(h) == 0 {
		return nil
	}
	p := m.Xqjs_get_array_buffer(h, a.vm.scratch)
	mem := *m.Slice()
	n := int32(binary.LittleEndian.Uint32(mem[a.vm.scratch:]))
	if p == 0 {
		return []byte{}
	}
	return append([]byte{}, mem[p:p+n]...)
}

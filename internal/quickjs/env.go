package quickjs

import (
	"crypto/rand"
	"encoding/binary"
)

// env is what the engine asks of its host.
type env VM

func (e *env) Xhost_call(_, _, _, argc, argv int32) int32 {
	vm := (*VM)(e)
	if vm.Host == nil {
		return vm.throw("this does not work while a module is loaded")
	}
	result, err := vm.Host(vm, Args{vm, argc, argv})
	if err != nil {
		return vm.throw(err.Error())
	}
	v := vm.value(result)
	if v == 0 {
		return vm.throw(errMemory.Message)
	}
	return v
}

// throw makes __host throw an Error.
func (vm *VM) throw(message string) int32 {
	e := vm.m.Xqjs_new_error()
	p, _ := vm.put("message")
	if v := vm.value(message); v != 0 {
		vm.m.Xqjs_set_prop_string(e, p, v)
	}
	vm.m.Xwasm_free(p)
	vm.m.Xqjs_throw(e)
	vm.m.Xqjs_free_value(e)
	return 0
}

func (e *env) Xhost_interrupt() int32 {
	if (*VM)(e).interrupt.Load() {
		return 1
	}
	return 0
}

// A promise that is rejected is reported, and reported again when somebody listens
// after all.
func (e *env) Xhost_promise_rejection(promise, reason, handled int32) {
	vm := (*VM)(e)
	if handled != 0 {
		vm.rejected--
	} else {
		vm.rejected++
		vm.reason = vm.text(reason)
	}
	vm.m.Xqjs_free_value(promise)
	vm.m.Xqjs_free_value(reason)
}

// Scripts live in UTC and import nothing.
func (*env) Xhost_get_timezone_offset(_, _ int32) int32 { return 0 }
func (*env) Xhost_module_load(_, _ int32) int32         { return 0 }
func (*env) Xhost_module_normalize(_, _ int32) int32    { return 0 }

// wasi is the operating system as the engine sees it: a clock, random bytes, no files.
type wasi VM

const (
	errnoSuccess = 0
	errnoBadFile = 8
)

func (w *wasi) Xclock_time_get(_ int32, _ int64, out int32) int32 {
	vm := (*VM)(w)
	binary.LittleEndian.PutUint64((*vm.m.Slice())[out:], uint64(vm.now().UnixNano()))
	vm.m.Mark(out, 8)
	return errnoSuccess
}

func (w *wasi) Xrandom_get(p, n int32) int32 {
	vm := (*VM)(w)
	rand.Read((*vm.m.Slice())[p : p+n])
	vm.m.Mark(p, int(n))
	return errnoSuccess
}

func (*wasi) Xfd_close(int32) int32                       { return errnoBadFile }
func (*wasi) Xfd_fdstat_get(_, _ int32) int32             { return errnoBadFile }
func (*wasi) Xfd_seek(_ int32, _ int64, _, _ int32) int32 { return errnoBadFile }
func (*wasi) Xfd_write(_, _, _, _ int32) int32            { return errnoBadFile }

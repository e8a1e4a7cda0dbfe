;; A core module that uses most of what a module may have.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (type $f (func (param i32) (result i32)))
  (table $t 4 8 funcref)
  (memory (export "memory") 1)
  (global $g (mut i32) (i32.const 3))
  (tag $e (param i32))
  (elem (table $t) (i32.const 0) func $a $b)
  (elem declare func $a)
  (data (i32.const 100) "\00\01\02")
  (start $s)
  (func $s (global.set $g (i32.add (global.get $g) (i32.const 1))))
  (func $a (type $f) (if (result i32) (local.get 0) (then (i32.const 1)) (else (call $b (local.get 0)))))
  (func $b (type $f) (local i64 f64 v128)
    (block $out
      (loop $again
        (br_if $again (i32.eqz (local.get 0)))
        (br_table $again $out (local.get 0))))
    (i32.const 5))
  (func (export "_start") (call $exit (call_indirect $t (type $f) (i32.const 0) (i32.const 1)))))

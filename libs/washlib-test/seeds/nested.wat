;; Components in components, handed to each other, with what lies outside aliased inwards.
(component $root
  (type $t (func (result string)))
  (core module $m
    (memory (export "memory") 1 4)
    (global $g (mut i64) (i64.const 7))
    (data $passive "passive")
    (data (i32.const 0) "active")
    (func (export "f") (result i32) (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 7)) (i32.const 8))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
  (component $one
    (alias outer $root $m (core module $m))
    (core instance $i (instantiate $m))
    (type $t (func (result string)))
    (func $f (type $t) (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc"))))
    (export "f" (func $f)))
  (component $two
    (import "f" (func $f (result string)))
    (component $three
      (import "g" (func $g (result string)))
      (export "h" (func $g)))
    (instance $three (instantiate $three (with "g" (func $f))))
    (export "h" (func $three "h")))
  (instance $one (instantiate $one))
  (instance $two (instantiate $two (with "f" (func $one "f"))))
  (export "acme:seeds/one@1.0.0" (instance $one))
  (export "h" (func $two "h")))

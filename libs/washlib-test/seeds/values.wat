;; Every kind of value type, in types of functions, instances and components.
(component
  (type $record (record (field "a" u8) (field "b" string) (field "c" (list float64))))
  (type $variant (variant (case "none") (case "some" $record) (case "more" (tuple char bool s64))))
  (type $flags (flags "one" "two" "three"))
  (type $enum (enum "red" "green" "blue"))
  (type $result (result $record (error $enum)))
  (type $nested (option (list (tuple $flags (option $result)))))
  (type $resource (resource (rep i32)))
  (type $function (func (param "v" $nested) (param "own" (own $resource)) (result $variant)))
  (type $outer (component
    (import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock
      (type $instant u64)
      (export "instant" (type (eq $instant)))
      (export "now" (func (result u64)))))
    (type $inner (instance (export "f" (func (param "x" (list (list (list u8))))))))
    (export "i" (instance (type $inner)))))
  (core type $module (module
    (import "a" "b" (func (param i32) (result i64)))
    (export "m" (memory 1 2))
    (export "t" (table 1 funcref))
    (export "g" (global (mut f32)))))
  (core type (func (param i32 i64 f32 f64 v128 funcref externref) (result i32))))

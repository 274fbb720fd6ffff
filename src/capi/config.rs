//! Configurations, and what can be asked about the properties themselves.

// The doc comments of exported functions become the C header: they say in C's terms what each pointer has to be.
#![allow(clippy::missing_safety_doc)]

use crate::capi::boundary::{call, str_arg};
use crate::capi::call_out::call_out;
use crate::capi::data_loss::DataLossCallback;
use crate::capi::handle::{Handles, Kind};
use crate::capi::health::HealthCallback;
use crate::capi::hooks::Hooks;
use crate::capi::oauth::TokenCallback;
use crate::capi::partitioner::PartitionerCallback;
use crate::capi::stats::StatsCallback;
use crate::capi::status::producer_status_t;
use crate::config::ConfigBuilder;
use crate::config::table::{Property, lookup, properties};
use crate::error::{Error, Result, Status};
use crate::sync::Mutex;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Settings for producers to be made: opaque, made by `producer_config_new` and freed by `producer_config_free`. It may
/// be used from any number of threads at once, and for any number of producers; a producer copies what it needs.
#[allow(non_camel_case_types)]
pub struct producer_config_t {
    _opaque: [u8; 0],
}

/// What a handle stands for.
pub struct ConfigHandle {
    inner: Mutex<Inner>,
}

static CONFIGS: Handles<ConfigHandle> = Handles::new(Kind::Config);

#[derive(Default)]
struct Inner {
    builder: ConfigBuilder,
    callbacks: Callbacks,
    /// What `producer_config_get` answered last; it lives until the next call.
    answer: CString,
}

/// The functions that producers made from a configuration call.
#[derive(Clone, Default)]
pub struct Callbacks {
    pub log: Option<LogCallback>,
    pub data_loss: Option<DataLossCallback>,
    /// `None` when records pass no function of the application.
    pub hooks: Option<Box<Hooks>>,
    pub health: Option<HealthCallback>,
    pub stats: Option<StatsCallback>,
    pub partitioner: Option<PartitionerCallback>,
    pub tokens: Option<TokenCallback>,
}

/// Receives one line of the library's log.
///
/// `level`: syslog's levels, 0 (emergency) to 7 (debug); lines above `log_level` are not sent.
/// `facility`: a word for the part of the library that speaks. `message`: one line without its end. Both are UTF-8 and
/// live until the callback returns. `opaque`: the pointer given along with the callback.
/// It is never called on the library's own I/O thread, but on the thread that calls poll, flush, close or a function of
/// transactions of the producer concerned; with delivery.dispatch=thread on the library's dispatching thread.
#[allow(non_camel_case_types)]
pub type producer_log_fn =
    Option<unsafe extern "C" fn(level: i32, facility: *const c_char, message: *const c_char, opaque: *mut c_void)>;

/// A log callback with its pointer.
#[derive(Clone, Copy)]
pub struct LogCallback {
    function: unsafe extern "C" fn(i32, *const c_char, *const c_char, *mut c_void),
    opaque: *mut c_void,
}

// SAFETY: the header says on which threads the callback runs; that its pointer may be used there is the application's
// side of the contract. The library only passes the pointer on.
unsafe impl Send for LogCallback {}
// SAFETY: as above; nothing is ever changed through the pointer here.
unsafe impl Sync for LogCallback {}

impl LogCallback {
    /// Hands a line to the application. Must not be called on the I/O thread, nor with a lock held.
    pub fn line(&self, level: i32, facility: &CStr, message: &CStr) {
        let arguments = [level as usize, facility.as_ptr() as usize, message.as_ptr() as usize, self.opaque as usize];
        // SAFETY: the application gave function and pointer for this use, and both strings outlive the call.
        unsafe { call_out(self.function as *const (), arguments) };
    }
}

impl ConfigHandle {
    /// What a new producer takes along: a copy of the settings, and the callbacks.
    pub fn parts(&self) -> (ConfigBuilder, Callbacks) {
        let inner = self.inner.lock();
        (inner.builder.clone(), inner.callbacks.clone())
    }

    pub(super) fn change_hooks(&self, change: impl FnOnce(&mut Hooks) -> Result<()>) -> Result<()> {
        let mut inner = self.inner.lock();
        let mut hooks = inner.callbacks.hooks.take().unwrap_or_default();
        let changed = change(&mut hooks);
        inner.callbacks.hooks = Some(hooks).filter(|hooks| !hooks.is_empty());
        changed
    }

    pub(super) fn set_partitioner(&self, callback: Option<PartitionerCallback>) {
        self.inner.lock().callbacks.partitioner = callback;
    }

    pub(super) fn set_tokens(&self, callback: Option<TokenCallback>) {
        self.inner.lock().callbacks.tokens = callback;
    }

    pub(super) fn set_data_loss(&self, callback: Option<DataLossCallback>) {
        self.inner.lock().callbacks.data_loss = callback;
    }

    pub(super) fn set_health(&self, callback: Option<HealthCallback>) {
        self.inner.lock().callbacks.health = callback;
    }

    pub(super) fn set_stats(&self, callback: Option<StatsCallback>) {
        self.inner.lock().callbacks.stats = callback;
    }
}

/// What a configuration's handle stands for.
pub fn config_arg(config: *const producer_config_t) -> Result<Arc<ConfigHandle>> {
    CONFIGS.get(config, "config")
}

fn null(name: &str) -> Error {
    Error::new(Status::INVALID_ARGUMENT, format!("{name} is NULL"))
}

fn hand_out(out: *mut *mut producer_config_t, inner: Inner) -> Result<()> {
    if out.is_null() {
        return Err(null("out"));
    }
    let config = CONFIGS.insert(ConfigHandle { inner: Mutex::new(inner) })?;
    // SAFETY: not NULL, and the header asks for a pointer that may be written through.
    unsafe { out.write(config) };
    Ok(())
}

/// Makes a configuration in which every property has its default.
///
/// `out`: receives the configuration; free it with `producer_config_free`.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` when `out` is NULL.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_new(out: *mut *mut producer_config_t) -> producer_status_t {
    call(|| hand_out(out, Inner::default()))
}

/// Sets a property. The value is checked at once; on an error nothing changes.
///
/// `config`: the configuration. `name`: the property's name, Java's or librdkafka's (docs/CONFIGURATION.md lists them).
/// `value`: its value as text, with durations and sizes in the unit of the property; white space around it does not
/// count. Both strings are copied.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_UNKNOWN_PROPERTY` when there is no such property (the detail proposes the nearest);
/// `PRODUCER_ERR_INVALID_PROPERTY` when the value is not allowed (the detail says what is);
/// `PRODUCER_ERR_PROPERTY_NOT_SUPPORTED` when this version does not implement the property or the value, or it is no
/// property of producers; `PRODUCER_ERR_INVALID_ARGUMENT` when an argument is NULL or not UTF-8. Properties that contradict
/// each other are found by `producer_new`.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_set(
    config: *mut producer_config_t,
    name: *const c_char,
    value: *const c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promises are those of this function.
        let (config, name, value) = unsafe { (config_arg(config)?, str_arg(name, "name")?, str_arg(value, "value")?) };
        config.inner.lock().builder.set(name, value)
    })
}

/// Tells the value a property has now: the one set, or its default.
///
/// `config`: the configuration. `name`: the property's name or an alias; the value is in the unit of that name.
/// `out`: receives the value as text, `[hidden]` for a secret that is set. It belongs to the configuration: do not free it.
/// It is valid until the next `producer_config_get` on this configuration by any thread, or until the configuration is freed.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_UNKNOWN_PROPERTY` when there is no such property;
/// `PRODUCER_ERR_PROPERTY_NOT_SUPPORTED` when it is no property of producers; `PRODUCER_ERR_INVALID_ARGUMENT` when an
/// argument is NULL or not UTF-8.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_get(
    config: *const producer_config_t,
    name: *const c_char,
    out: *mut *const c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promises are those of this function.
        let (config, name) = unsafe { (config_arg(config)?, str_arg(name, "name")?) };
        if out.is_null() {
            return Err(null("out"));
        }
        let found = lookup(name.trim())?;
        let mut inner = config.inner.lock();
        let value = inner.builder.get(found.spelled).unwrap_or_default();
        inner.answer = c_string(value);
        // SAFETY: not NULL, and the caller promises that it may be written through. The text lives in `inner`.
        unsafe { out.write(inner.answer.as_ptr()) };
        Ok(())
    })
}

/// Sets every property of a file in the syntax of Java's `.properties` files, in UTF-8. On an error nothing changes.
///
/// `config`: the configuration. `path`: the file's path, at most 1 MiB of file.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` when there is no such file; `PRODUCER_ERR_IO` when it cannot be read or is
/// not UTF-8; `PRODUCER_ERR_UNKNOWN_PROPERTY`, `PRODUCER_ERR_INVALID_PROPERTY` and `PRODUCER_ERR_PROPERTY_NOT_SUPPORTED` as
/// `producer_config_set`, with file, line and property in the detail; `PRODUCER_ERR_INVALID_ARGUMENT` when an argument is
/// NULL or not UTF-8.
/// May be called from any thread; blocks while the file is read.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_load(
    config: *mut producer_config_t,
    path: *const c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promises are those of this function.
        let (config, path) = unsafe { (config_arg(config)?, str_arg(path, "path")?) };
        // The file is read without the lock: other threads are not held up by a slow disk.
        let loaded = ConfigBuilder::read(Path::new(path))?;
        config.inner.lock().builder.merge(loaded);
        Ok(())
    })
}

/// Makes an independent copy of a configuration, with its callbacks.
///
/// `config`: the configuration to copy. `out`: receives the copy; free it with `producer_config_free`.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` when an argument is NULL.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_clone(
    config: *const producer_config_t,
    out: *mut *mut producer_config_t,
) -> producer_status_t {
    call(|| {
        let (builder, callbacks) = config_arg(config)?.parts();
        hand_out(out, Inner { builder, callbacks, answer: CString::default() })
    })
}

/// Frees a configuration. Producers made from it are not affected.
///
/// `config`: the configuration, or NULL, which does nothing. No other thread may be using it.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_free(config: *mut producer_config_t) {
    call(|| if config.is_null() { Ok(()) } else { CONFIGS.remove(config, "config").map(drop) });
}

/// Sets the function that receives the log of producers made from this configuration; without one they are silent.
///
/// `config`: the configuration. `callback`: the function, or NULL for none. `opaque`: a pointer passed to it, kept as it is;
/// both must stay usable until the last producer made from this configuration is closed.
/// The callback is never called on the library's I/O thread: lines wait in a bounded queue (the oldest are dropped, and
/// their number is logged) for the thread that calls poll, flush, close or a function of transactions of the producer, and
/// run there.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` when `config` is NULL.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_set_log_callback(
    config: *mut producer_config_t,
    callback: producer_log_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        let config = config_arg(config)?;
        config.inner.lock().callbacks.log = callback.map(|function| LogCallback { function, opaque });
        Ok(())
    })
}

/// What `producer_property_at` tells of a property. All texts are static UTF-8, never NULL: do not free them.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct producer_property_t {
    /// Size of this struct in bytes, set by the caller.
    pub struct_size: usize,
    /// The canonical name.
    pub name: *const c_char,
    /// Other names it is accepted under, separated by commas; may be empty.
    pub aliases: *const c_char,
    /// `boolean`, `integer`, `float`, `choice`, `string`, `secret` or `list`.
    pub type_name: *const c_char,
    /// The default, as text in the property's unit.
    pub default_value: *const c_char,
    /// What values are allowed, in words; empty when any text is.
    pub range: *const c_char,
    /// One line on its meaning.
    pub doc: *const c_char,
    /// Whether this version implements it, at least for some values.
    pub is_built: bool,
}

/// The texts behind one `producer_property_t`.
struct Texts {
    name: CString,
    aliases: CString,
    type_name: CString,
    default_value: CString,
    range: CString,
    doc: CString,
    is_built: bool,
}

fn texts() -> &'static [Texts] {
    static TEXTS: OnceLock<Vec<Texts>> = OnceLock::new();
    TEXTS.get_or_init(|| properties().map(Texts::of).collect())
}

impl Texts {
    fn of(row: &Property) -> Texts {
        let aliases: Vec<_> = row.aliases.iter().map(|alias| alias.name).collect();
        Texts {
            name: c_string(row.name),
            aliases: c_string(aliases.join(",")),
            type_name: c_string(row.type_name()),
            default_value: c_string(row.default),
            range: c_string(row.range()),
            doc: c_string(row.doc),
            is_built: row.is_built(),
        }
    }
}

/// The text as a C string. Values with a NUL are refused when set, so that nothing is ever lost here.
fn c_string(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).unwrap_or_default()
}

/// Tells how many properties the library knows.
///
/// Returns the count, above every index that `producer_property_at` accepts.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub extern "C" fn producer_property_count() -> usize {
    properties().count()
}

/// Describes a property, so that a program or a language binding can list and check them all.
///
/// `index`: 0 to `producer_property_count() - 1`.
/// `out`: a struct whose `struct_size` the caller has set to its size; receives the description.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` when the index is too large, `out` is NULL, or its `struct_size` is
/// smaller than this struct ever was.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_property_at(index: usize, out: *mut producer_property_t) -> producer_status_t {
    call(|| {
        if out.is_null() {
            return Err(null("out"));
        }
        // SAFETY: not NULL, and the struct begins with this field in every version.
        let struct_size = unsafe { (&raw const (*out).struct_size).read() };
        if struct_size < size_of::<producer_property_t>() {
            let message = format!("out->struct_size is {struct_size}; set it to sizeof(producer_property_t)");
            return Err(Error::new(Status::INVALID_ARGUMENT, message));
        }
        let Some(row) = texts().get(index) else {
            let message = format!("index is {index}; there are {} properties", texts().len());
            return Err(Error::new(Status::INVALID_ARGUMENT, message));
        };
        let description = producer_property_t {
            struct_size,
            name: row.name.as_ptr(),
            aliases: row.aliases.as_ptr(),
            type_name: row.type_name.as_ptr(),
            default_value: row.default_value.as_ptr(),
            range: row.range.as_ptr(),
            doc: row.doc.as_ptr(),
            is_built: row.is_built,
        };
        // SAFETY: not NULL, and the caller's struct is at least as large as ours.
        unsafe { out.write(description) };
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capi::status::*;
    use std::ptr;
    use std::sync::atomic::{AtomicI32, Ordering};

    /// A configuration that frees itself.
    struct Handle(*mut producer_config_t);

    impl Handle {
        fn new() -> Handle {
            let mut config = ptr::null_mut();
            // SAFETY: the output is ours.
            assert_eq!(unsafe { producer_config_new(&mut config) }, PRODUCER_OK);
            Handle(config)
        }

        fn set(&self, name: &CStr, value: &CStr) -> producer_status_t {
            // SAFETY: a live handle and NUL-ended strings.
            unsafe { producer_config_set(self.0, name.as_ptr(), value.as_ptr()) }
        }

        fn get(&self, name: &CStr) -> std::result::Result<String, producer_status_t> {
            let mut out = ptr::null();
            // SAFETY: a live handle, a NUL-ended string and an output of ours, read before the next call.
            unsafe {
                match producer_config_get(self.0, name.as_ptr(), &mut out) {
                    PRODUCER_OK => Ok(CStr::from_ptr(out).to_str().unwrap().to_string()),
                    status => {
                        assert!(out.is_null(), "an output is untouched on error");
                        Err(status)
                    }
                }
            }
        }
    }

    impl Drop for Handle {
        fn drop(&mut self) {
            // SAFETY: freed once, here.
            unsafe { producer_config_free(self.0) }
        }
    }

    #[test]
    fn set_get_and_clone_through_c() {
        let config = Handle::new();
        assert_eq!(config.get(c"linger.ms").as_deref(), Ok("5"));
        assert_eq!(config.set(c"linger.ms", c" 0.5 "), PRODUCER_OK);
        let mut copy = ptr::null_mut();
        // SAFETY: a live handle and an output of ours.
        assert_eq!(unsafe { producer_config_clone(config.0, &mut copy) }, PRODUCER_OK);
        let copy = Handle(copy);
        assert_eq!(config.set(c"linger.ms", c"9"), PRODUCER_OK);
        assert_eq!(copy.get(c"queue.buffering.max.ms").as_deref(), Ok("0.5"));
        assert_eq!(config.get(c"linger.ms").as_deref(), Ok("9"));
        assert_eq!(config.get(c"lingr.ms"), Err(PRODUCER_ERR_UNKNOWN_PROPERTY));
        assert_eq!(config.get(c"group.id"), Err(PRODUCER_ERR_PROPERTY_NOT_SUPPORTED));
    }

    #[test]
    fn each_kind_of_bad_setting_has_its_status() {
        let config = Handle::new();
        assert_eq!(config.set(c"lingr.ms", c"1"), PRODUCER_ERR_UNKNOWN_PROPERTY);
        assert_eq!(config.set(c"linger.ms", c"1e3"), PRODUCER_ERR_INVALID_PROPERTY);
        assert_eq!(config.set(c"queuing.strategy", c"lifo"), PRODUCER_ERR_PROPERTY_NOT_SUPPORTED);
        assert_eq!(config.set(c"\xff", c"1"), PRODUCER_ERR_INVALID_ARGUMENT);
        assert_eq!(config.set(c"client.id", c"\xff"), PRODUCER_ERR_INVALID_ARGUMENT);
        assert_eq!(config.get(c"client.id").as_deref(), Ok(""));
    }

    #[test]
    fn null_arguments_are_refused_and_null_is_freed() {
        let config = Handle::new();
        let (name, none) = (c"linger.ms".as_ptr(), ptr::null());
        let mut handle = ptr::null_mut();
        let mut text = ptr::null();
        // SAFETY: NULL, live handles and NUL-ended strings are what these functions accept.
        let statuses = unsafe {
            producer_config_free(ptr::null_mut());
            [
                producer_config_new(ptr::null_mut()),
                producer_config_set(ptr::null_mut(), name, name),
                producer_config_set(config.0, none, name),
                producer_config_set(config.0, name, none),
                producer_config_get(ptr::null(), name, &mut text),
                producer_config_get(config.0, none, &mut text),
                producer_config_get(config.0, name, ptr::null_mut()),
                producer_config_load(ptr::null_mut(), name),
                producer_config_load(config.0, none),
                producer_config_clone(ptr::null(), &mut handle),
                producer_config_clone(config.0, ptr::null_mut()),
                producer_config_set_log_callback(ptr::null_mut(), None, ptr::null_mut()),
                producer_property_at(0, ptr::null_mut()),
            ]
        };
        assert_eq!(statuses, [PRODUCER_ERR_INVALID_ARGUMENT; 13]);
        assert!(handle.is_null() && text.is_null(), "outputs are untouched");
    }

    #[test]
    fn a_file_is_loaded_through_c() {
        let config = Handle::new();
        let path = std::env::temp_dir().join(format!("kproducer-capi-{}.properties", std::process::id()));
        std::fs::write(&path, "bootstrap.servers=h:1\nacks=1\n").unwrap();
        let c_path = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: a live handle and a NUL-ended path.
        assert_eq!(unsafe { producer_config_load(config.0, c_path.as_ptr()) }, PRODUCER_OK);
        assert_eq!(config.get(c"acks").as_deref(), Ok("1"));
        std::fs::remove_file(&path).unwrap();
        // SAFETY: as above.
        assert_eq!(unsafe { producer_config_load(config.0, c_path.as_ptr()) }, PRODUCER_ERR_NOT_FOUND);
    }

    #[test]
    fn every_property_describes_itself() {
        let count = producer_property_count();
        let mut seen = 0;
        for index in 0..count + 1 {
            let mut row = producer_property_t {
                struct_size: size_of::<producer_property_t>(),
                name: ptr::null(),
                aliases: ptr::null(),
                type_name: ptr::null(),
                default_value: ptr::null(),
                range: ptr::null(),
                doc: ptr::null(),
                is_built: false,
            };
            // SAFETY: the struct is ours and says its size.
            let status = unsafe { producer_property_at(index, &mut row) };
            if index == count {
                assert_eq!(status, PRODUCER_ERR_INVALID_ARGUMENT);
                assert!(row.name.is_null());
                continue;
            }
            assert_eq!(status, PRODUCER_OK);
            // SAFETY: the call succeeded, so that these are static strings.
            let text = |text| unsafe { CStr::from_ptr(text) }.to_str().unwrap();
            assert!(!text(row.doc).is_empty() && !text(row.type_name).is_empty());
            if text(row.name) == "buffer.memory" {
                assert_eq!((text(row.aliases), text(row.default_value)), ("queue.buffering.max.kbytes", "134217728"));
                assert!(row.is_built && text(row.range).contains("65536"));
                seen += 1;
            }
            row.struct_size -= 1;
            // SAFETY: as above.
            assert_eq!(unsafe { producer_property_at(index, &mut row) }, PRODUCER_ERR_INVALID_ARGUMENT);
        }
        assert_eq!(seen, 1);
    }

    #[test]
    fn the_log_callback_travels_with_the_configuration() {
        unsafe extern "C" fn note(level: i32, _: *const c_char, _: *const c_char, opaque: *mut c_void) {
            // SAFETY: the test gives a pointer to its counter, which outlives the call.
            unsafe { &*opaque.cast::<AtomicI32>() }.store(level, Ordering::Relaxed);
        }
        let config = Handle::new();
        let level = AtomicI32::new(0);
        let opaque = (&raw const level).cast_mut().cast::<c_void>();
        // SAFETY: a live handle, and a callback that fits its pointer.
        assert_eq!(unsafe { producer_config_set_log_callback(config.0, Some(note), opaque) }, PRODUCER_OK);
        let (_, callbacks) = config_arg(config.0).unwrap().parts();
        callbacks.log.unwrap().line(4, c"broker", c"gone");
        assert_eq!(level.load(Ordering::Relaxed), 4);
        // SAFETY: as above.
        assert_eq!(unsafe { producer_config_set_log_callback(config.0, None, ptr::null_mut()) }, PRODUCER_OK);
        assert!(config_arg(config.0).unwrap().parts().1.log.is_none());
    }
}

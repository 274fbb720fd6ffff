//! The system's GSSAPI library: found when it is first needed, kept for the life of the process.
//!
//! All of its C types and calls are here, behind the safe traits of [`crate::security::gssapi`].

use std::ffi::{CString, c_char, c_int, c_void};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ptr::{null, null_mut};
use std::sync::{Arc, OnceLock};

use crate::security::gssapi::{Context, Kerberos, Trouble, TroubleKind, Wanted};

#[cfg(target_os = "macos")]
const NAMES: &[&str] = &[
    "/System/Library/Frameworks/GSS.framework/GSS",
    "libgssapi_krb5.dylib",
    "/opt/homebrew/opt/krb5/lib/libgssapi_krb5.dylib",
];
#[cfg(not(target_os = "macos"))]
const NAMES: &[&str] = &["libgssapi_krb5.so.2", "libgssapi.so.3", "libgssapi_krb5.so", "libgssapi.so"];

#[cfg(target_os = "macos")]
const PACKAGES: &str = "it belongs to macOS";
#[cfg(not(target_os = "macos"))]
const PACKAGES: &str =
    "install it: Debian and Ubuntu libgssapi-krb5-2, Fedora and RHEL krb5-libs, Alpine krb5-libs, Arch krb5";

/// An object of the library's: a name, a credential, a context.
type Opaque = *mut c_void;

#[repr(C)]
#[cfg_attr(all(target_os = "macos", target_arch = "x86_64"), repr(packed(2)))]
struct Oid {
    length: u32,
    elements: *const u8,
}

#[repr(C)]
#[cfg_attr(all(target_os = "macos", target_arch = "x86_64"), repr(packed(2)))]
struct Buffer {
    length: usize,
    value: *mut c_void,
}

#[repr(C)]
#[cfg_attr(all(target_os = "macos", target_arch = "x86_64"), repr(packed(2)))]
struct OidSet {
    count: usize,
    elements: *const Oid,
}

#[repr(C)]
struct KeyValue {
    key: *const c_char,
    value: *const c_char,
}

#[repr(C)]
struct KeyValues {
    count: u32,
    elements: *const KeyValue,
}

type ImportName = unsafe extern "C" fn(*mut u32, *const Buffer, *const Oid, *mut Opaque) -> u32;
type AcquireCred =
    unsafe extern "C" fn(*mut u32, Opaque, u32, *const OidSet, c_int, *mut Opaque, *mut Opaque, *mut u32) -> u32;
type AcquireCredFrom = unsafe extern "C" fn(
    *mut u32,
    Opaque,
    u32,
    *const OidSet,
    c_int,
    *const KeyValues,
    *mut Opaque,
    *mut Opaque,
    *mut u32,
) -> u32;
type InitSecContext = unsafe extern "C" fn(
    *mut u32,
    Opaque,
    *mut Opaque,
    Opaque,
    *const Oid,
    u32,
    u32,
    *const c_void,
    *const Buffer,
    *mut Opaque,
    *mut Buffer,
    *mut u32,
    *mut u32,
) -> u32;
type Wrap = unsafe extern "C" fn(*mut u32, Opaque, c_int, u32, *const Buffer, *mut c_int, *mut Buffer) -> u32;
type Unwrap = unsafe extern "C" fn(*mut u32, Opaque, *const Buffer, *mut Buffer, *mut c_int, *mut u32) -> u32;
type DisplayStatus = unsafe extern "C" fn(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer) -> u32;
type ReleaseBuffer = unsafe extern "C" fn(*mut u32, *mut Buffer) -> u32;
type ReleaseObject = unsafe extern "C" fn(*mut u32, *mut Opaque) -> u32;
type DeleteContext = unsafe extern "C" fn(*mut u32, *mut Opaque, *mut Buffer) -> u32;

/// The functions that are used. The library is never unloaded, so they stay.
struct Functions {
    import_name: ImportName,
    acquire_cred: AcquireCred,
    /// Not in old libraries; needed for key tables only.
    acquire_cred_from: Option<AcquireCredFrom>,
    init_sec_context: InitSecContext,
    wrap: Wrap,
    unwrap: Unwrap,
    display_status: DisplayStatus,
    release_buffer: ReleaseBuffer,
    release_name: ReleaseObject,
    release_cred: ReleaseObject,
    delete_sec_context: DeleteContext,
}

/// 1.2.840.113554.1.2.2, Kerberos 5.
const KRB5: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
/// 1.2.840.113554.1.2.1.4, `service@host`.
const HOST_BASED: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04";
/// 1.2.840.113554.1.2.1.1, a user's name.
const USER_NAME: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x01";

const INITIATE: c_int = 1;
/// Mutual authentication, order, integrity.
const FLAGS: u32 = 2 | 8 | 32;
const CONTINUE_NEEDED: u32 = 1;
/// Errors of calling and of routines; the rest are remarks.
const ERRORS: u32 = 0xffff_0000;
const NO_CRED: u32 = 7 << 16;
const DEFECTIVE_CREDENTIAL: u32 = 10 << 16;
const CREDENTIALS_EXPIRED: u32 = 11 << 16;
const STATUS_GSS: c_int = 1;
const STATUS_MECHANISM: c_int = 2;

/// No message of the library is larger; it bounds what is copied.
const TOKEN_BYTES_MAX: usize = 1024 * 1024;
/// No status has more sentences.
const SENTENCES_MAX: usize = 8;

fn oid(bytes: &'static [u8]) -> Oid {
    Oid { length: u32::try_from(bytes.len()).unwrap_or(0), elements: bytes.as_ptr() }
}

fn buffer(bytes: &[u8]) -> Buffer {
    Buffer { length: bytes.len(), value: bytes.as_ptr().cast_mut().cast() }
}

const EMPTY: Buffer = Buffer { length: 0, value: null_mut() };

/// Kerberos by the system's library.
#[derive(Clone, Copy, Default)]
pub struct SystemKerberos {}

impl SystemKerberos {
    /// Whether the library is there; the error says how to get it.
    pub fn look() -> Result<(), Trouble> {
        functions().map(|_| ())
    }
}

/// Loaded once. A library that is installed later is found by the next try.
fn functions() -> Result<&'static Functions, Trouble> {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    if let Some(functions) = FUNCTIONS.get() {
        return Ok(functions);
    }
    let loaded = load(NAMES)?;
    Ok(FUNCTIONS.get_or_init(|| loaded))
}

fn load(names: &[&str]) -> Result<Functions, Trouble> {
    let missing = |text: String| Trouble { kind: TroubleKind::NoLibrary, text };
    let mut failures = Vec::new();
    for name in names {
        // SAFETY: the initializers of the system's Kerberos library are those that every user of it runs.
        match unsafe { libloading::Library::new(name) } {
            Ok(library) => {
                // SAFETY: the names and signatures are those of RFC 2744 and, for `gss_acquire_cred_from`, of both
                // implementations that have it.
                let found = unsafe { symbols(&library) };
                // Its threads and exit handlers may still run later.
                std::mem::forget(library);
                return found.map_err(|error| {
                    missing(format!("{name} is no GSSAPI library that can be used: {error}; {PACKAGES}"))
                });
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    let why = failures.first().map_or_else(String::new, |failure| format!(" ({failure})"));
    Err(missing(format!("GSSAPI needs the system's Kerberos library, which could not be loaded{why}; {PACKAGES}")))
}

/// # Safety
/// The library's functions of these names have these signatures.
unsafe fn symbols(library: &libloading::Library) -> Result<Functions, libloading::Error> {
    macro_rules! symbol {
        ($name:literal) => {
            // SAFETY: see the function's own.
            *unsafe { library.get(concat!($name, "\0").as_bytes()) }?
        };
    }
    Ok(Functions {
        import_name: symbol!("gss_import_name"),
        acquire_cred: symbol!("gss_acquire_cred"),
        // SAFETY: see the function's own.
        acquire_cred_from: unsafe { library.get(b"gss_acquire_cred_from\0") }.ok().map(|symbol| *symbol),
        init_sec_context: symbol!("gss_init_sec_context"),
        wrap: symbol!("gss_wrap"),
        unwrap: symbol!("gss_unwrap"),
        display_status: symbol!("gss_display_status"),
        release_buffer: symbol!("gss_release_buffer"),
        release_name: symbol!("gss_release_name"),
        release_cred: symbol!("gss_release_cred"),
        delete_sec_context: symbol!("gss_delete_sec_context"),
    })
}

impl Functions {
    fn check(&self, major: u32, minor: u32) -> Result<(), Trouble> {
        if major & ERRORS == 0 {
            return Ok(());
        }
        let general = self.sentences(major, STATUS_GSS);
        let special = if minor == 0 { String::new() } else { self.sentences(minor, STATUS_MECHANISM) };
        // "Unspecified GSS failure. Minor code may provide more information" tells nothing.
        let is_vague = general.contains("Unspecified") && !special.is_empty();
        let text = match (is_vague, special.is_empty()) {
            (true, _) => special,
            (false, true) => general,
            (false, false) => format!("{general}: {special}"),
        };
        Err(Trouble { kind: kind(major, minor), text })
    }

    fn sentences(&self, status: u32, kind: c_int) -> String {
        let mut sentences = Vec::new();
        let mut more = 0_u32;
        for _ in 0..SENTENCES_MAX {
            let (mut minor, mut text, mechanism) = (0_u32, EMPTY, oid(KRB5));
            // SAFETY: every pointer is to a live local; the library fills `text`, which `taken` gives back.
            let major = unsafe { (self.display_status)(&mut minor, status, kind, &mechanism, &mut more, &mut text) };
            let sentence = self.taken(text);
            if major & ERRORS != 0 {
                break;
            }
            sentences.push(String::from_utf8_lossy(&sentence).into_owned());
            if more == 0 {
                break;
            }
        }
        sentences.join("; ")
    }

    /// A copy of a buffer of the library's, which is given back.
    fn taken(&self, mut buffer: Buffer) -> Vec<u8> {
        let length = buffer.length;
        let copy = if buffer.value.is_null() || length > TOKEN_BYTES_MAX {
            Vec::new()
        } else {
            // SAFETY: the library has filled `length` bytes, and they live until they are released below.
            unsafe { std::slice::from_raw_parts(buffer.value.cast::<u8>(), length) }.to_vec()
        };
        let mut minor = 0;
        // SAFETY: the buffer is the library's, or empty, which it accepts. Nothing can be done about a failure.
        unsafe { (self.release_buffer)(&mut minor, &mut buffer) };
        copy
    }

    fn name(&'static self, text: &str, kind: &'static [u8]) -> Result<Name, Trouble> {
        let (mut minor, mut name) = (0_u32, null_mut());
        let (text, kind) = (buffer(text.as_bytes()), oid(kind));
        // SAFETY: every pointer is to a live local; the library copies the text.
        let major = unsafe { (self.import_name)(&mut minor, &text, &kind, &mut name) };
        self.check(major, minor)?;
        Ok(Name { functions: self, name })
    }

    /// The client's credentials; `None` for those that the library finds by itself.
    fn credential(&'static self, wanted: &Wanted) -> Result<Option<Credential>, Trouble> {
        if wanted.principal.is_empty() && wanted.keytab.is_empty() {
            return Ok(None);
        }
        let name = if wanted.principal.is_empty() { None } else { Some(self.name(&wanted.principal, USER_NAME)?) };
        let name = name.as_ref().map_or(null_mut(), |name| name.name);
        let mechanism = oid(KRB5);
        let mechanisms = OidSet { count: 1, elements: &mechanism };
        let (mut minor, mut credential) = (0_u32, null_mut());
        if wanted.keytab.is_empty() {
            // SAFETY: every pointer is to a live local or null, which these outputs may be.
            let major = unsafe {
                (self.acquire_cred)(
                    &mut minor,
                    name,
                    u32::MAX,
                    &mechanisms,
                    INITIATE,
                    &mut credential,
                    null_mut(),
                    null_mut(),
                )
            };
            self.check(major, minor)?;
            return Ok(Some(Credential { functions: self, credential }));
        }
        let Some(acquire_cred_from) = self.acquire_cred_from else {
            return Err(Trouble {
                kind: TroubleKind::NoLibrary,
                text: "the system's Kerberos library is too old for sasl.kerberos.keytab (no gss_acquire_cred_from); use kinit with the key table instead".to_owned(),
            });
        };
        let keytab = c_text(&format!("FILE:{}", wanted.keytab.trim_start_matches("FILE:")))?;
        let cache = c_text(&private_cache(wanted))?;
        let elements = [
            KeyValue { key: c"client_keytab".as_ptr(), value: keytab.as_ptr() },
            KeyValue { key: c"ccache".as_ptr(), value: cache.as_ptr() },
        ];
        let store = KeyValues { count: 2, elements: elements.as_ptr() };
        // SAFETY: every pointer is to a live local or null, which these outputs may be; the library copies the texts.
        let major = unsafe {
            acquire_cred_from(
                &mut minor,
                name,
                u32::MAX,
                &mechanisms,
                INITIATE,
                &store,
                &mut credential,
                null_mut(),
                null_mut(),
            )
        };
        self.check(major, minor)?;
        Ok(Some(Credential { functions: self, credential }))
    }
}

/// Tickets got with a key table stay in memory and away from the user's own cache. Producers of the same key table share them, so
/// that there is one cache however many producers come and go.
fn private_cache(wanted: &Wanted) -> String {
    let mut hasher = DefaultHasher::new();
    (&wanted.principal, &wanted.keytab).hash(&mut hasher);
    format!("MEMORY:kproducer-{:016x}", hasher.finish())
}

fn c_text(text: &str) -> Result<CString, Trouble> {
    CString::new(text)
        .map_err(|_| Trouble { kind: TroubleKind::Other, text: "a name has a NUL character in it".to_owned() })
}

/// Kinds by the codes of RFC 2744 and of MIT's and Heimdal's Kerberos, which are the same.
fn kind(major: u32, minor: u32) -> TroubleKind {
    // The minor ones are offsets to the base of Kerberos' table of errors.
    match minor.cast_signed().wrapping_sub(-1_765_328_384) {
        7 => TroubleKind::UnknownService,
        37 => TroubleKind::Clock,
        154 | 156 | 220 => TroubleKind::NoKdc,
        // No key, a wrong one, no cache, no ticket, expired.
        1 | 6 | 18 | 23 | 24 | 31 | 32 | 141 | 181 | 195 => TroubleKind::NoTicket,
        _ => match major & ERRORS {
            NO_CRED | DEFECTIVE_CREDENTIAL | CREDENTIALS_EXPIRED => TroubleKind::NoTicket,
            _ => TroubleKind::Other,
        },
    }
}

struct Name {
    functions: &'static Functions,
    name: Opaque,
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: the name is the library's and released once.
        unsafe { (self.functions.release_name)(&mut minor, &mut self.name) };
    }
}

struct Credential {
    functions: &'static Functions,
    credential: Opaque,
}

impl Drop for Credential {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: the credential is the library's and released once.
        unsafe { (self.functions.release_cred)(&mut minor, &mut self.credential) };
    }
}

struct SystemContext {
    functions: &'static Functions,
    service: Name,
    credential: Option<Credential>,
    context: Opaque,
}

// SAFETY: objects of GSSAPI may be used by any thread, by one at a time; a context is owned by one exchange.
unsafe impl Send for SystemContext {}

impl Drop for SystemContext {
    fn drop(&mut self) {
        let mut minor = 0;
        if !self.context.is_null() {
            // SAFETY: the context is the library's and deleted once; no last message is wanted.
            unsafe { (self.functions.delete_sec_context)(&mut minor, &mut self.context, null_mut()) };
        }
    }
}

impl Kerberos for SystemKerberos {
    fn begin(&self, wanted: &Wanted) -> Result<Box<dyn Context>, Trouble> {
        let functions = functions()?;
        let service = functions.name(&wanted.service, HOST_BASED)?;
        let credential = functions.credential(wanted)?;
        Ok(Box::new(SystemContext { functions, service, credential, context: null_mut() }))
    }
}

impl Context for SystemContext {
    fn step(&mut self, token: &[u8]) -> Result<(Vec<u8>, bool), Trouble> {
        let (mut minor, mut output, mechanism, input) = (0_u32, EMPTY, oid(KRB5), buffer(token));
        let credential = self.credential.as_ref().map_or(null_mut(), |credential| credential.credential);
        // SAFETY: every pointer is to something live, or null where that is allowed; `context` is null the first time and the
        // library's afterwards. `taken` gives the output back.
        let major = unsafe {
            (self.functions.init_sec_context)(
                &mut minor,
                credential,
                &mut self.context,
                self.service.name,
                &mechanism,
                FLAGS,
                0,
                null(),
                if token.is_empty() { null() } else { &input },
                null_mut(),
                &mut output,
                null_mut(),
                null_mut(),
            )
        };
        let message = self.functions.taken(output);
        self.functions.check(major, minor)?;
        Ok((message, major & CONTINUE_NEEDED == 0))
    }

    fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Trouble> {
        let (mut minor, mut output, input) = (0_u32, EMPTY, buffer(message));
        // SAFETY: the context is established; every other pointer is to a live local or null where that is allowed.
        let major =
            unsafe { (self.functions.unwrap)(&mut minor, self.context, &input, &mut output, null_mut(), null_mut()) };
        let opened = self.functions.taken(output);
        self.functions.check(major, minor).map(|()| opened)
    }

    fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Trouble> {
        let (mut minor, mut output, input) = (0_u32, EMPTY, buffer(message));
        // SAFETY: as with `unwrap`.
        let major = unsafe { (self.functions.wrap)(&mut minor, self.context, 0, 0, &input, null_mut(), &mut output) };
        let wrapped = self.functions.taken(output);
        self.functions.check(major, minor).map(|()| wrapped)
    }
}

/// The system's library, shared by a producer's exchanges.
pub fn system_kerberos() -> Arc<dyn Kerberos> {
    Arc::new(SystemKerberos::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named_with_its_package() {
        let trouble = load(&["libno-such-gssapi.so.9"]).err().expect("trouble");
        assert_eq!(trouble.kind, TroubleKind::NoLibrary);
        assert!(trouble.text.contains("libno-such-gssapi.so.9"), "{}", trouble.text);
        #[cfg(target_os = "linux")]
        for package in ["libgssapi-krb5-2", "krb5-libs"] {
            assert!(trouble.text.contains(package), "{}", trouble.text);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn another_library_is_not_taken_for_it() {
        let trouble = load(&["libc.so.6"]).err().expect("trouble");
        assert!(trouble.text.contains("libc.so.6 is no GSSAPI library"), "{}", trouble.text);
    }

    /// Where the library is installed; without a ticket and without a KDC it has something to say all the same.
    #[test]
    fn the_systems_library_says_what_is_missing() {
        if SystemKerberos::look().is_err() {
            return;
        }
        let mut wanted = Wanted {
            service: "kafka@localhost".into(),
            principal: "nobody@NO.SUCH.REALM.INVALID".into(),
            keytab: String::new(),
        };
        for keytab in ["", "/no/such/keytab"] {
            wanted.keytab = keytab.to_owned();
            let trouble = match SystemKerberos::default().begin(&wanted) {
                Ok(mut context) => context.step(&[]).err(),
                Err(trouble) => Some(trouble),
            };
            let trouble = trouble.expect("nobody has such a ticket");
            assert!(!trouble.text.is_empty());
            assert_eq!(trouble.kind, TroubleKind::NoTicket, "{}", trouble.text);
        }
        wanted.keytab = "a\0b".into();
        SystemKerberos::default().begin(&wanted).err().expect("a NUL");
    }

    #[test]
    fn kinds_are_told_by_the_codes() {
        let minor = |offset: i32| (offset - 1_765_328_384).cast_unsigned();
        for (major, offset, expected) in [
            (13 << 16, 7, TroubleKind::UnknownService),
            (13 << 16, 37, TroubleKind::Clock),
            (13 << 16, 156, TroubleKind::NoKdc),
            (13 << 16, 32, TroubleKind::NoTicket),
            (7 << 16, 0, TroubleKind::NoTicket),
            (9 << 16, 0, TroubleKind::Other),
        ] {
            assert_eq!(kind(major, minor(offset)), expected, "{major} {offset}");
        }
    }
}

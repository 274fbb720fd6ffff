//! Tokens of OAUTHBEARER that the application gets: asked for by a callback, or set when it has one.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{c_char, c_void};

use crate::capi::boundary::{call, invalid, str_arg};
use crate::capi::call_out::{call_out, forget};
use crate::capi::config::{config_arg, producer_config_t};
use crate::capi::handle::{Handles, Kind};
use crate::capi::producer::{enter, producer_t};
use crate::capi::status::producer_status_t;
use crate::error::{Result, Status};
use crate::reports::Leaving;
use crate::secret::Secret;
use crate::security::login::Refusal;
use crate::security::oauthbearer::check_token;
use crate::security::token::{Token, TokenGetter};
use crate::sync::Mutex;

/// A SASL extension that goes with a token (KIP-342).
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_oauth_extension_t {
    /// Letters alone; not `auth`.
    pub name: *const c_char,
    /// ASCII, not empty.
    pub value: *const c_char,
}

/// A producer's wish for a token: opaque, valid until the callback that it was given to returns, on the thread of that callback.
#[allow(non_camel_case_types)]
pub struct producer_token_request_t {
    _opaque: [u8; 0],
}

/// What a handle stands for.
struct TokenRequest {
    /// When it was made, by the wall clock.
    now_ms: i64,
    answer: Mutex<Option<std::result::Result<Token, String>>>,
}

static TOKEN_REQUESTS: Handles<TokenRequest> = Handles::new(Kind::TokenRequest);
/// Longest text of a failure, in characters; more is cut.
const FAILURE_MAX: usize = 1_000;
/// More are no array but a mistake.
const EXTENSIONS_MAX: usize = 100;

/// Gets a token for a producer.
///
/// `request`: answered before the function returns, by producer_token_request_set or producer_token_request_fail. `opaque`: the
/// pointer given along with the function.
/// It runs on a thread of the library's own, one per producer, which does nothing else: neither on one of the application's
/// threads nor where records are sent. So it may block, for the time of a call to a token endpoint. It is called when the
/// producer is made, maybe before producer_new has returned, and then ahead of each token's end; nobody has to poll for that.
/// It is called again, after sasl.login.retry.backoff.ms and growing times, when it fails or when a broker refuses the token.
/// Meanwhile the current token is used as
/// long as it is good.
/// Functions that wait or dispatch answer PRODUCER_ERR_IN_CALLBACK in it when they are called for the same producer.
#[allow(non_camel_case_types)]
pub type producer_oauth_token_fn =
    Option<unsafe extern "C" fn(request: *mut producer_token_request_t, opaque: *mut c_void)>;

/// A token callback with its pointer.
#[derive(Clone, Copy)]
pub struct TokenCallback {
    function: unsafe extern "C" fn(*mut producer_token_request_t, *mut c_void),
    opaque: *mut c_void,
    /// It has ended its thread.
    is_over: bool,
}

// SAFETY: the header says on which thread the function runs; that its pointer may be used there is the application's side of
// the contract. The library only passes the pointer on.
unsafe impl Send for TokenCallback {}
// SAFETY: as above; nothing is ever changed through the pointer here.
unsafe impl Sync for TokenCallback {}

impl TokenCallback {
    /// As one producer's source of tokens.
    pub fn getter(self) -> Box<dyn TokenGetter> {
        Box::new(self)
    }
}

impl TokenGetter for TokenCallback {
    fn get(&mut self, now_ms: i64) -> std::result::Result<Token, Refusal> {
        if self.is_over {
            return Err(refusal(ENDED_ITS_THREAD.to_owned()));
        }
        let request = TokenRequest { now_ms, answer: Mutex::default() };
        let handle: *mut producer_token_request_t =
            TOKEN_REQUESTS.insert(request).map_err(|why| refusal(why.message))?;
        let arguments = [handle as usize, self.opaque as usize, 0, 0];
        // SAFETY: the application gave function and pointer for this use.
        let returned = unsafe { call_out(self.function as *const (), arguments) };
        let request = TOKEN_REQUESTS.remove(handle, "request").map_err(|why| refusal(why.message))?;
        if returned.is_none() {
            self.is_over = forget() == Some(Leaving::Thread);
            let text = if self.is_over { ENDED_ITS_THREAD } else { "the token callback threw an exception" };
            return Err(refusal(text.to_owned()));
        }
        let text = match request.answer.lock().take() {
            Some(Ok(token)) => return Ok(token),
            Some(Err(text)) => format!("the token callback failed: {text}"),
            None => "the token callback returned without a token and without saying why: call producer_token_request_set or \
                     producer_token_request_fail in it"
                .to_owned(),
        };
        Err(refusal(text))
    }
}

const ENDED_ITS_THREAD: &str =
    "the token callback has ended the library's thread that calls it: it is not called again";

fn refusal(text: String) -> Refusal {
    Refusal { status: Status::CREDENTIALS, text, is_permanent: false }
}

/// Sets the function that gets tokens for producers made from this configuration with sasl.mechanism=OAUTHBEARER.
///
/// `config`: the configuration. `callback`: the function, or NULL for none. `opaque`: a pointer passed to it, kept as it is; both
/// must stay usable until producer_close has returned for the last producer made from this configuration, and longer when that
/// answers PRODUCER_ERR_TIMED_OUT because the function has not returned.
/// Producers with another mechanism never call it. Where properties say, too, where tokens come from, producer_new answers
/// PRODUCER_ERR_CONFIG_CONFLICT. With neither, the application sets each token with producer_set_oauth_token.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when `config` is NULL.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_set_oauth_token_callback(
    config: *mut producer_config_t,
    callback: producer_oauth_token_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        let config = config_arg(config)?;
        config.set_tokens(callback.map(|function| TokenCallback { function, opaque, is_over: false }));
        Ok(())
    })
}

/// Answers a request with a token. Called again, the last answer counts.
///
/// `request`: the request. `token`: as it is sent to the broker, at most 500000 bytes; for a JWT its three parts with their
/// points. `expires_at_ms`: until when it is good, milliseconds since 1970; INT64_MAX when nobody knows, and then it is
/// renewed only when a broker refuses it. `principal`: whom it stands for, for messages; NULL when that does not matter. `extensions`: an array of
/// `extension_count` SASL extensions, 0 to 100; NULL when that is 0. Everything is copied.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when `request` or `token` is NULL or not UTF-8, the token is empty, not
/// ASCII or already expired, or an extension is not allowed. On an error the request stays as it was.
/// Only in the callback that was given the request; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_token_request_set(
    request: *mut producer_token_request_t,
    token: *const c_char,
    expires_at_ms: i64,
    principal: *const c_char,
    extensions: *const producer_oauth_extension_t,
    extension_count: usize,
) -> producer_status_t {
    call(|| {
        let request = TOKEN_REQUESTS.get(request, "request")?;
        // SAFETY: the caller's promises are those of this function.
        let token = unsafe { token_arg(token, expires_at_ms, principal, extensions, extension_count) }?;
        check_token(&token, request.now_ms)?;
        *request.answer.lock() = Some(Ok(token));
        Ok(())
    })
}

/// Answers a request by saying why there is no token.
///
/// `request`: the request. `text`: a sentence without secrets: it goes into the log, into the health's text and into reports; cut
/// after 1000 characters. It is copied.
/// The function is called again later; connections that need a token until then fail with PRODUCER_ERR_CREDENTIALS and the text.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when an argument is NULL, or the text not UTF-8.
/// Only in the callback that was given the request; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_token_request_fail(
    request: *mut producer_token_request_t,
    text: *const c_char,
) -> producer_status_t {
    call(|| {
        let request = TOKEN_REQUESTS.get(request, "request")?;
        // SAFETY: the caller's promise: NULL or a NUL-ended string.
        let text = unsafe { str_arg(text, "text") }?;
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(FAILURE_MAX).collect();
        *request.answer.lock() = Some(Err(text));
        Ok(())
    })
}

/// Gives a producer with sasl.mechanism=OAUTHBEARER a token: for applications that get tokens by themselves and on their own
/// time.
///
/// `producer`: the producer. `token`, `expires_at_ms`, `principal`, `extensions`, `extension_count`: as for
/// producer_token_request_set. Everything is copied.
/// It takes the place of the current one at once, for new connections and re-authentications. Where a callback or an endpoint is
/// configured, too, that is asked again ahead of this token's end. A producer without them, which has no token that is good, has
/// its connections wait a moment for this call, and tries again until it comes.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when `producer` or `token` is NULL or not UTF-8, the token is empty, not
/// ASCII or already expired, or an extension is not allowed; PRODUCER_ERR_CONFIG_CONFLICT when the producer's mechanism is not
/// OAUTHBEARER; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; the status of its end when the producer has failed for good. On an
/// error nothing changes.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_set_oauth_token(
    producer: *mut producer_t,
    token: *const c_char,
    expires_at_ms: i64,
    principal: *const c_char,
    extensions: *const producer_oauth_extension_t,
    extension_count: usize,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        // SAFETY: the caller's promises are those of this function.
        let token = unsafe { token_arg(token, expires_at_ms, principal, extensions, extension_count) }?;
        inside.set_oauth_token(token)
    })
}

/// # Safety
/// Texts are NULL or NUL-ended, and `extensions` NULL or an array of `extension_count`.
unsafe fn token_arg(
    token: *const c_char,
    expires_at_ms: i64,
    principal: *const c_char,
    extensions: *const producer_oauth_extension_t,
    extension_count: usize,
) -> Result<Token> {
    // SAFETY: as the caller promises.
    let value = Secret::from(unsafe { str_arg(token, "token") }?);
    let principal = match principal.is_null() {
        true => "",
        // SAFETY: as the caller promises.
        false => unsafe { str_arg(principal, "principal") }?,
    };
    let mut named = Vec::new();
    if extension_count > EXTENSIONS_MAX {
        return Err(invalid(format!("extension_count is {extension_count}; at most {EXTENSIONS_MAX} are taken")));
    }
    if extension_count > 0 && extensions.is_null() {
        return Err(invalid(format!("extensions is NULL, but extension_count is {extension_count}")));
    }
    for at in 0..extension_count {
        // SAFETY: not NULL, and an array of so many by the caller's promise.
        let extension = unsafe { extensions.add(at).read() };
        let (name, value) = (format!("extensions[{at}].name"), format!("extensions[{at}].value"));
        // SAFETY: as the caller promises.
        let (name, value) = unsafe { (str_arg(extension.name, &name)?, str_arg(extension.value, &value)?) };
        named.push((name.to_owned(), value.to_owned()));
    }
    Ok(Token { value, expires_at_ms, principal: principal.to_owned(), extensions: named })
}

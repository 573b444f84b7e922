//! A certificate and its key: made, and judged as a client would.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use super::names::Names;
use crate::Problem;
use crate::random;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a certificate is valid.
const VALID: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long before its end a certificate is renewed.
const RENEWED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The longest common name there may be (RFC 5280, ub-common-name).
const LONGEST_NAME: usize = 64;

/// A certificate and its key, new.
pub struct Pair {
    /// The certificate, in PEM.
    pub certificate: String,
    /// Its private key, PKCS#8 in PEM.
    pub key: String,
    /// The certificate, in DER.
    pub der: Vec<u8>,
    /// Its public key (SubjectPublicKeyInfo, DER).
    pub public: Vec<u8>,
}

/// A self-signed certificate for a server. It is no authority's: clients can trust it without trusting what else its
/// key might sign.
pub fn make(common: &str, names: &Names, now: SystemTime) -> Result<Pair, Problem> {
    let failed = |error: rcgen::Error| match error {
        rcgen::Error::RingUnspecified => random::refused(),
        other => Problem::new("S1202", format!("cannot make a certificate: {other}"), "report this"),
    };
    let key = KeyPair::generate().map_err(failed)?;
    let mut wanted = CertificateParams::new(Vec::from_iter(names.iter().cloned())).map_err(failed)?;
    wanted.distinguished_name = DistinguishedName::new();
    let fits = !common.is_empty() && common.len() <= LONGEST_NAME;
    wanted.distinguished_name.push(DnType::CommonName, if fits { common } else { "pulp" });
    wanted.is_ca = IsCa::ExplicitNoCa;
    wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Clients whose clocks are slow are to take it as well.
    let start = since_1970(now).saturating_sub(DAY);
    wanted.not_before = date_time_ymd(1970, 1, 1) + start;
    wanted.not_after = wanted.not_before + VALID;
    let certificate = wanted.self_signed(&key).map_err(failed)?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        der: certificate.der().to_vec(),
        public: rcgen::PublicKeyData::subject_public_key_info(&key),
    })
}

/// The first certificate in PEM, which is the server's; the others are its authorities'.
pub fn first_in(pem: &[u8]) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem).ok()
}

/// The public key of a certificate, if it is one we can read.
pub fn public_key(certificate: &CertificateDer) -> Option<Vec<u8>> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(parsed.subject_public_key_info().as_ref().to_vec())
}

/// Whether a client that trusts this self-signed certificate is content with it, now and for a while, under all names.
pub fn will_do(certificate: &CertificateDer, names: &Names, now: SystemTime) -> bool {
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
    let named = |name: &String| {
        ServerName::try_from(name.as_str()).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
    };
    names.iter().all(named)
        && [now, now + RENEWED].iter().all(|then| judged(&parsed, Some(certificate), *then).is_ok())
}

/// What is wrong with the dates of a certificate that someone else signed, if anything is.
pub fn dates_wrong(certificate: &CertificateDer, now: SystemTime) -> Option<&'static str> {
    // The dates are looked at first: whatever else is said means that they are right.
    match judged(&ParsedCertificate::try_from(certificate).ok()?, None, now) {
        Err(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => Some("has expired"),
        Err(Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => Some("is not valid yet"),
        _ => None,
    }
}

fn judged(
    parsed: &ParsedCertificate,
    trusted: Option<&CertificateDer>,
    now: SystemTime,
) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    if let Some(trusted) = trusted {
        roots.add(trusted.clone().into_owned())?;
    }
    let algorithms = default_provider().signature_verification_algorithms.all;
    let now = UnixTime::since_unix_epoch(since_1970(now));
    verify_server_cert_signed_by_trust_anchor(parsed, &roots, &[], now, algorithms)
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Names {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_will_do_until_a_month_before_its_end() {
        let (wanted, now) = (names(&["box", "::1", "10.0.0.1"]), SystemTime::now());
        let der = CertificateDer::from(make("box", &wanted, now).unwrap().der);
        let after = |days: u32| will_do(&der, &wanted, now + DAY * days);
        assert_eq!([0, 333, 335, 400].map(after), [true, true, false, false]);
        assert!(!will_do(&der, &wanted, now - DAY * 2), "made while the clock was wrong");
        assert_eq!(dates_wrong(&der, now), None);
        assert_eq!(dates_wrong(&der, now + DAY * 400), Some("has expired"));
        assert_eq!(dates_wrong(&der, now - DAY * 2), Some("is not valid yet"));
    }

    #[test]
    fn a_certificate_that_lacks_a_name_or_an_address_will_not_do() {
        let now = SystemTime::now();
        let der = CertificateDer::from(make("box", &names(&["box", "10.0.0.1"]), now).unwrap().der);
        assert!(will_do(&der, &names(&["box"]), now));
        assert!(!will_do(&der, &names(&["box", "other"]), now));
        assert!(!will_do(&der, &names(&["10.0.0.2"]), now));
    }
}

//! How much of a dialed phone number each role sees.

use crate::role::Role;

/// The part of dialed phone numbers that a role sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PhoneMask {
    /// The stored form: the country code and the last four digits.
    Last4,
    /// The country code and the last two digits.
    Last2,
    /// Nothing, and no agent's name either: passers-by read a wallboard.
    Hidden,
}

impl Role {
    /// Returns the mask for dialed numbers.
    pub fn phone_mask(self) -> PhoneMask {
        match self {
            Self::Supervisor | Self::Auditor | Self::Admin => PhoneMask::Last4,
            Self::Viewer | Self::Operator => PhoneMask::Last2,
            Self::Wallboard => PhoneMask::Hidden,
        }
    }
}

impl PhoneMask {
    /// The longest country code.
    pub const COUNTRY_DIGITS: usize = 3;
    /// How many last digits [`PhoneMask::Last2`] leaves.
    pub const LAST_DIGITS: usize = 2;

    /// Masks a stored number.
    ///
    /// The result has only digits of the number: other text that a source put there is dropped.
    pub fn apply(self, stored: &str) -> Option<Box<str>> {
        match self {
            Self::Last4 => Some(stored.into()),
            Self::Last2 => {
                let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
                let head = stored.trim_start().strip_prefix('+').unwrap_or_default();
                let country = head.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
                let country = if country.len() <= Self::COUNTRY_DIGITS { country } else { "" };
                let rest = digits(stored).split_off(country.len());
                let last = &rest[rest.len().saturating_sub(Self::LAST_DIGITS)..];
                let parts = [if country.is_empty() { "" } else { "+" }, country, " ••• ", last];
                Some(parts.concat().trim().into())
            }
            Self::Hidden => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_sees_as_much_as_it_needs() {
        for role in [Role::Supervisor, Role::Auditor, Role::Admin] {
            assert_eq!(role.phone_mask(), PhoneMask::Last4, "{}", role.as_str());
        }
        for role in [Role::Viewer, Role::Operator] {
            assert_eq!(role.phone_mask(), PhoneMask::Last2, "{}", role.as_str());
        }
    }
}

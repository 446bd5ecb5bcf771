//! The frame around every page: the user, active alerts, and the frames that the page starts from.

use ringside_access::{Permission, Viewer};

use super::frames::{AlertsInitial, Frames};

/// The frame around a page.
#[derive(Debug)]
pub(super) struct Shell {
    /// The signed-in user.
    pub user: String,
    /// Their initials.
    pub initials: String,
    /// What they may do.
    pub role: &'static str,
    /// True where they may read who has access.
    pub reviews: bool,
    /// Whose data it is.
    pub tenant: String,
    /// Critical alerts that are open.
    pub open_critical: usize,
    /// The embedded frames.
    pub frames: String,
}

impl Shell {
    /// The frame for a viewer.
    pub(super) fn new(viewer: &Viewer, alerts: &AlertsInitial, frames: &Frames) -> Self {
        Self {
            user: viewer.user.clone(),
            initials: initials(&viewer.user),
            role: viewer.role.as_str(),
            reviews: viewer.role.may(Permission::Audit),
            tenant: viewer.tenant.to_string(),
            open_critical: alerts.open.iter().filter(|alert| &*alert.severity == "critical").count(),
            frames: frames.embed(),
        }
    }
}

fn initials(name: &str) -> String {
    let words = || name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let letters: String = match words().count() {
        1 => name.chars().filter(|c| c.is_alphanumeric()).take(2).collect(),
        _ => words().take(2).filter_map(|word| word.chars().next()).collect(),
    };
    letters.to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_two_letters() {
        assert_eq!(initials("admin"), "AD");
        assert_eq!(initials("ines.marchetti"), "IM");
        assert_eq!(initials(""), "");
    }
}

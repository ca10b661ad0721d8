//! Code page 437, in which Linux reads short names unless told otherwise.

use fatfs::OemCpConverter;

/// What bytes above 0x7f mean.
const UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// The code page.
pub(super) static CP437: CodePage = CodePage;

#[derive(Debug)]
pub(super) struct CodePage;

impl OemCpConverter for CodePage {
    fn decode(&self, byte: u8) -> char {
        match byte.checked_sub(0x80) {
            None => char::from(byte),
            Some(upper) => UPPER
                .chars()
                .nth(upper.into())
                .unwrap_or(char::REPLACEMENT_CHARACTER),
        }
    }

    fn encode(&self, wanted: char) -> Option<u8> {
        (0..=u8::MAX).find(|byte| self.decode(*byte) == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        assert_eq!(UPPER.chars().count(), 128);
        for byte in 0..=u8::MAX {
            assert_eq!(CP437.encode(CP437.decode(byte)), Some(byte));
        }
        assert_eq!(CP437.decode(0x82), 'é');
        assert_eq!(CP437.encode('中'), None);
    }
}

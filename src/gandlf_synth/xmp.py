"""The mark that photo programs, search engines and archives read: XMP with the IPTC's digital source type.

The terms are those of https://cv.iptc.org/newscodes/digitalsourcetype/.
"""

from collections.abc import Mapping

from gandlf_synth.provenance import SYNTHETIC_MARK

_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_MADE, _PARTLY_MADE = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool="GaNDLF-Synth"
    Iptc4xmpExt:DigitalSourceType="{source_type}">
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{mark}</rdf:li></rdf:Alt></dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def xmp_packet(provenance: Mapping[str, object]) -> str:
    """Return the packet for an image: made by a model as a whole, or, where it was inpainted, in part.

    Example:
        >>> "digitalsourcetype/trainedAlgorithmicMedia" in xmp_packet({"mark": "SYNTHETIC"})
        True
    """
    term = _PARTLY_MADE if provenance.get("kind") == "inpainting" else _MADE
    return _PACKET.format(source_type=f"{_VOCABULARY}{term}", mark=provenance.get("mark", SYNTHETIC_MARK))


def says_synthetic(packet: str | bytes | None) -> bool:
    """Say whether an XMP packet says that a model made the image or a part of it."""
    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else packet or ""
    return f"{_VOCABULARY}{_MADE}" in text or f"{_VOCABULARY}{_PARTLY_MADE}" in text
